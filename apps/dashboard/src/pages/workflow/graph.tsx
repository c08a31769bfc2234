import {
  Background,
  Controls,
  Handle,
  MarkerType,
  Position,
  ReactFlow,
  type Edge,
  type Node,
  type NodeProps,
} from '@xyflow/react';
import '@xyflow/react/dist/style.css';
import { useMemo } from 'react';
import { Link } from 'wouter';

import { StatusBadge } from '../../ui/badge.js';
import './graph.css';
import { placesOf } from './workflow-graph.js';
import type { WorkflowJob, WorkflowView } from './workflow.js';

type JobNode = Node<{ readonly job: WorkflowJob }, 'job'>;

const nodeTypes = { job: JobBox };
/** Pixels from one place to the next. */
const STEP = { x: 240, y: 104 };
const BOX = { width: 184, height: 72 };

/** The jobs and what they wait for, as a picture that lights up. The list below it says the same. */
export function Graph({ workflow }: { readonly workflow: WorkflowView }) {
  const { jobs, dependencies } = workflow;
  const shape = jobs.map(({ id }) => id).join();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- jobs move between states, not between places
  const places = useMemo(() => placesOf({ jobs, dependencies }), [shape, dependencies]);
  const lastRow = Math.max(0, ...[...places.values()].map(({ row }) => row));
  const nodes = jobs.map<JobNode>((job) => {
    const { column, row } = places.get(job.id) ?? { column: 0, row: 0 };
    const position = { x: column * STEP.x, y: row * STEP.y };
    return { id: job.id, type: 'job', position, data: { job }, ...BOX };
  });
  const statuses = new Map(jobs.map(({ id, status }) => [id, status]));
  const edges = dependencies.map<Edge>(({ parentJobId, childJobId }) => ({
    id: `${parentJobId} ${childJobId}`,
    source: parentJobId,
    target: childJobId,
    animated: statuses.get(childJobId) === 'processing',
    className: statuses.get(parentJobId) === 'completed' ? 'graph-edge-done' : 'graph-edge',
    markerEnd: { type: MarkerType.ArrowClosed },
    focusable: false,
  }));
  return (
    <div className="graph" style={{ blockSize: `min(60vh, ${(lastRow + 2) * STEP.y}px)` }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        elementsSelectable={false}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
        minZoom={0.2}
        preventScrolling={false}
        zoomOnScroll={false}
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

function JobBox({ data: { job } }: NodeProps<JobNode>) {
  const { id, key, queue, status, percent } = job;
  return (
    <div className="graph-job" data-status={status} data-job={key}>
      <Handle type="target" position={Position.Left} />
      <Link href={`/jobs/${id}`}>{key}</Link>
      <span className="graph-queue muted">{queue}</span>
      <StatusBadge status={percent === null ? status : `${status} ${Math.round(percent)} %`} />
      <Handle type="source" position={Position.Right} />
    </div>
  );
}

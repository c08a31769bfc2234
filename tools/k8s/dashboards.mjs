/** Writes the Grafana dashboards of the chart from the table below: what is shown, and nothing of how Grafana saves it. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { chart } from './environments.mjs';

const seconds = 's';
const perSecond = 'ops';
const count = 'short';

const rate = (metric, by) =>
  `sum${by ? ` by (${by})` : ''} (rate(${metric}{job=~"$job"}[$__rate_interval]))`;
const quantile = (share, metric, by = '') =>
  `histogram_quantile(${share}, sum by (${by ? `${by}, ` : ''}le) (rate(${metric}_bucket{job=~"$job"}[$__rate_interval])))`;

/** Rows of panels: [title, unit, { legend: expression }]. */
const dashboards = {
  overview: {
    title: 'Spooled: at a glance',
    rows: {
      Jobs: [
        [
          'Jobs a second',
          perSecond,
          {
            enqueued: rate('spooled_jobs_enqueued_total'),
            completed: rate('spooled_jobs_completed_total'),
            failed: rate('spooled_jobs_failed_total'),
            'given up': rate('spooled_jobs_deadlettered_total'),
          },
        ],
        [
          'Waiting and running',
          count,
          {
            pending: 'max(spooled_jobs_pending{job=~"$job"})',
            processing: 'max(spooled_jobs_processing{job=~"$job"})',
          },
        ],
        [
          'Longest wait of a claimable job',
          seconds,
          { oldest: 'max(spooled_job_max_age_seconds{job=~"$job"})' },
        ],
        ['From claim to completion', seconds, quantiles('spooled_job_duration_seconds')],
        [
          'Calls of workers, p99',
          seconds,
          { '{{action}}': quantile(0.99, 'spooled_lease_action_duration_seconds', 'action') },
        ],
        [
          'Trouble with leases',
          perSecond,
          {
            expired: rate('spooled_lease_expiries_total'),
            refused: rate('spooled_lease_actions_refused_total'),
          },
        ],
        [
          'Workers',
          count,
          {
            active: 'max(spooled_workers_active{job=~"$job"})',
            healthy: 'max(spooled_workers_healthy{job=~"$job"})',
          },
        ],
        [
          'Schedules that fire',
          perSecond,
          { '{{outcome}}': rate('spooled_schedule_fires_total', 'outcome') },
        ],
      ],
      Doors: [
        [
          'HTTP by answer',
          perSecond,
          { '{{status}}': rate('spooled_api_requests_total', 'status') },
        ],
        [
          'HTTP, p99',
          seconds,
          { '{{job}}': quantile(0.99, 'spooled_api_request_duration_seconds', 'job') },
        ],
        [
          'gRPC by status',
          perSecond,
          { '{{status}}': rate('spooled_grpc_requests_total', 'status') },
        ],
        [
          'gRPC, p99',
          seconds,
          { '{{method}}': quantile(0.99, 'spooled_grpc_request_duration_seconds', 'method') },
        ],
        [
          'Refused by a limit',
          perSecond,
          { '{{limit}}': rate('spooled_rate_limit_refusals_total', 'limit') },
        ],
      ],
      Webhooks: [
        [
          'Attempts',
          perSecond,
          { '{{outcome}}': rate('spooled_webhook_attempts_total', 'outcome') },
        ],
        ['Receivers take', seconds, quantiles('spooled_webhook_attempt_duration_seconds')],
        [
          'From event to first attempt',
          seconds,
          quantiles('spooled_webhook_first_attempt_lag_seconds'),
        ],
        ['Under way', count, { '{{instance}}': 'spooled_webhook_attempts_in_flight{job=~"$job"}' }],
      ],
    },
  },
  internals: {
    title: 'Spooled: streams and machinery',
    rows: {
      Streams: [
        [
          'Open streams',
          count,
          { '{{transport}}': 'sum by (transport) (spooled_realtime_connections{job=~"$job"})' },
        ],
        ['From event to stream', seconds, quantiles('spooled_realtime_fanout_lag_seconds')],
        [
          'Events delivered',
          perSecond,
          { '{{transport}}': rate('spooled_realtime_events_delivered_total', 'transport') },
        ],
        [
          'Bytes out',
          'Bps',
          { '{{transport}}': rate('spooled_realtime_bytes_total', 'transport') },
        ],
        [
          'Streams that ended',
          perSecond,
          { '{{transport}} {{code}}': rate('spooled_realtime_closed_total', 'transport, code') },
        ],
        [
          'Behind',
          perSecond,
          {
            'slow readers cut': rate('spooled_realtime_slow_consumers_total'),
            replays: rate('spooled_realtime_replays_total'),
            'gaps announced': rate('spooled_realtime_cursors_expired_total'),
          },
        ],
      ],
      'PostgreSQL and the bus': [
        [
          'Connections',
          count,
          {
            '{{job}} open': 'sum by (job) (spooled_database_connections{job=~"$job"})',
            '{{job}} at work': 'sum by (job) (spooled_database_connections_active{job=~"$job"})',
          },
        ],
        [
          'Callers that wait for a connection',
          count,
          { '{{job}}': 'sum by (job) (spooled_database_connections_wanted{job=~"$job"})' },
        ],
        [
          'Calls in one transaction, mean',
          count,
          {
            '{{statement}}': `${rate('spooled_group_commit_rows_sum', 'statement')} / ${rate('spooled_group_commit_rows_count', 'statement')}`,
          },
        ],
        [
          'Age of the oldest event the bus has not confirmed',
          seconds,
          { lag: 'max(spooled_event_publish_lag_seconds{job=~"$job"})' },
        ],
        [
          'Event batches',
          perSecond,
          {
            '{{outcome}}': rate('spooled_event_batches_published_total', 'outcome'),
            swept: rate('spooled_event_batches_swept_total'),
          },
        ],
        [
          'Bus',
          perSecond,
          { '{{operation}}': rate('spooled_redis_operations_total', 'operation') },
        ],
      ],
      Processes: [
        [
          'Event loop, p99 late',
          seconds,
          { '{{job}}': 'max by (job) (nodejs_eventloop_lag_p99_seconds{job=~"$job"})' },
        ],
        [
          'Memory',
          'bytes',
          { '{{job}} {{instance}}': 'process_resident_memory_bytes{job=~"$job"}' },
        ],
        ['CPU', count, { '{{job}}': rate('process_cpu_seconds_total', 'job') }],
        [
          'Loops that fail',
          perSecond,
          {
            '{{job}} {{loop}}':
              'sum by (job, loop) (rate(spooled_loop_steps_total{job=~"$job", outcome="failed"}[$__rate_interval]))',
          },
        ],
        [
          'Steps of loops, p99',
          seconds,
          { '{{loop}}': quantile(0.99, 'spooled_loop_step_duration_seconds', 'loop') },
        ],
      ],
    },
  },
};

function quantiles(metric) {
  return { p50: quantile(0.5, metric), p99: quantile(0.99, metric) };
}

/** By file name. */
export function dashboardFiles() {
  return Object.fromEntries(
    Object.entries(dashboards).map(([name, each]) => [
      `spooled-${name}.json`,
      `${JSON.stringify(dashboard(name, each))}\n`,
    ]),
  );
}

export async function writeDashboards() {
  const directory = path.join(chart, 'files/dashboards');
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(dashboardFiles())) {
    await writeFile(path.join(directory, name), text);
  }
}

const datasource = { type: 'prometheus', uid: '${datasource}' };
const width = 8;
const height = 7;
const perRow = 24 / width;

function dashboard(name, { title, rows }) {
  return {
    uid: `spooled-${name}`,
    title,
    tags: ['spooled'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: { list: [datasourceVariable, jobVariable] },
    panels: panelsOf(rows),
  };
}

const datasourceVariable = { name: 'datasource', type: 'datasource', query: 'prometheus' };
const jobVariable = {
  name: 'job',
  label: 'service',
  type: 'query',
  datasource,
  query: { query: 'label_values(up{job=~"spooled-.+"}, job)', refId: 'jobs' },
  refresh: 2,
  multi: true,
  includeAll: true,
  allValue: 'spooled-.+',
  current: { text: 'All', value: '$__all' },
};

function panelsOf(rows) {
  const panels = [];
  let y = 0;
  for (const [title, row] of Object.entries(rows)) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    });
    for (const [index, [panelTitle, unit, queries]] of row.entries()) {
      const gridPos = { x: (index % perRow) * width, y: y + Math.floor(index / perRow) * height };
      panels.push({
        id: panels.length + 1,
        type: 'timeseries',
        title: panelTitle,
        datasource,
        gridPos: { ...gridPos, w: width, h: height },
        fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
        targets: targets(queries),
      });
    }
    y += Math.ceil(row.length / perRow) * height;
  }
  return panels;
}

function targets(queries) {
  return Object.entries(queries).map(([legendFormat, expr], index) => ({
    refId: String.fromCharCode(65 + index),
    datasource,
    expr,
    legendFormat,
  }));
}

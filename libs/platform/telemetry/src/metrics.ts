import { Injectable } from '@nestjs/common';
import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type CounterConfiguration,
  type GaugeConfiguration,
  type HistogramConfiguration,
} from 'prom-client';

/**
 * The process's metrics. Asking twice for a name gives the same metric, so rooms that share a process share it too.
 * Names are `spooled_<noun>_<unit>`; no organization, queue or job labels.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly #readers = new Map<string, Set<() => number>>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string = never>(spec: CounterConfiguration<L>): Counter<L> {
    return (
      this.#known<Counter<L>>(spec.name) ?? new Counter({ ...spec, registers: [this.registry] })
    );
  }

  gauge<L extends string = never>(spec: GaugeConfiguration<L>): Gauge<L> {
    return this.#known<Gauge<L>>(spec.name) ?? new Gauge({ ...spec, registers: [this.registry] });
  }

  /**
   * A gauge that is read at each scrape, so that it cannot drift from what it shows. What several rooms of a process
   * read under one name is added up.
   */
  reading(spec: { readonly name: string; readonly help: string }, read: () => number): void {
    const readers = this.#readers.get(spec.name) ?? new Set();
    this.#readers.set(spec.name, readers);
    readers.add(read);
    this.gauge({
      ...spec,
      collect() {
        this.set([...readers].reduce((sum, one) => sum + one(), 0));
      },
    });
  }

  histogram<L extends string = never>(spec: HistogramConfiguration<L>): Histogram<L> {
    return (
      this.#known<Histogram<L>>(spec.name) ?? new Histogram({ ...spec, registers: [this.registry] })
    );
  }

  /** Prometheus text format 0.0.4. */
  async exposition(): Promise<string> {
    return this.registry.metrics();
  }

  #known<M>(name: string): M | undefined {
    return this.registry.getSingleMetric(name) as M | undefined;
  }
}

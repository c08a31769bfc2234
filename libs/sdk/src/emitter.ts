/** Handlers by event name. One that throws is its own trouble: the others are still called, and nothing here breaks. */
export class Emitter<Events> {
  private readonly handlers = new Map<keyof Events, Set<(data: never) => void>>();

  /** Returns what takes the handler off again. */
  on<E extends keyof Events>(event: E, handler: (data: Events[E]) => void): () => void {
    const handlers = this.handlers.get(event) ?? new Set();
    this.handlers.set(event, handlers.add(handler));
    return () => this.off(event, handler);
  }

  off<E extends keyof Events>(event: E, handler: (data: Events[E]) => void): void {
    this.handlers.get(event)?.delete(handler);
  }

  emit<E extends keyof Events>(event: E, data: Events[E]): void {
    for (const handler of [...(this.handlers.get(event) ?? [])]) {
      try {
        (handler as (data: Events[E]) => void)(data);
      } catch (error) {
        // As an uncaught error, where the application sees it.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

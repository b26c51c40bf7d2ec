interface TimedEvent {
  readonly time: number;
  /** Events at the same time happen in the order in which they were added. */
  readonly order: number;
  readonly happen: () => void;
}

/** Events in the order of their times, in a binary heap. */
export class EventQueue {
  /** The time of the event that happened last, in seconds. */
  now = 0;
  readonly #heap: TimedEvent[] = [];
  #added = 0;

  after(seconds: number, happen: () => void): void {
    const event = { time: this.now + seconds, order: this.#added++, happen };
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Lets all events happen, with those that they add. */
  run(): void {
    for (let event = this.#first(); event !== undefined; event = this.#first()) {
      this.now = event.time;
      event.happen();
    }
  }

  #first(): TimedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || last === first) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: TimedEvent, b: TimedEvent): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

import type { RunEvent } from '../../protocol/events.ts';
import type { PanelRun, PanelUpdate } from '../../protocol/panel.ts';
import { readConfiguration } from '../../runs/directory.ts';
import { runWarnings } from '../../runs/health.ts';
import { type EventCursor, readNewEvents, readStatus, sampleSteps } from '../../runs/reader.ts';

/**
 * What a page is told of one run: all of it when it is opened or its log was taken back by a resumed run, and after
 * that what was added. Calls are carried out in their order, so that no event is told twice.
 */
export class RunFeed {
  readonly dir: string;
  readonly role: 'shown' | 'compared';
  readonly #find: (dir: string) => PanelRun | undefined;
  readonly #send: (update: PanelUpdate) => void;
  #cursor: EventCursor | null = null;
  #events: RunEvent[] = [];
  #told: string | null = null;
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    { dir, role }: { readonly dir: string; readonly role: 'shown' | 'compared' },
    find: (dir: string) => PanelRun | undefined,
    send: (update: PanelUpdate) => void,
  ) {
    this.dir = dir;
    this.role = role;
    this.#find = find;
    this.#send = send;
  }

  /** Tells what is new; everything, the first time. */
  update(): Promise<void> {
    const turn = this.#last.then(() => (this.#closed ? undefined : this.#update()));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Nothing is told any more, not even by an update that is under way. */
  close(): void {
    this.#closed = true;
  }

  async #update(): Promise<void> {
    const run = this.#find(this.dir);
    if (!run) {
      if (this.#told !== null) this.#tell({ kind: 'run', role: this.role, contents: null });
      this.#told = null;
      return;
    }
    const { events, cursor, rewound } = await readNewEvents(this.dir, this.#cursor);
    const whole = this.#told === null || rewound;
    this.#cursor = cursor;
    this.#events = whole ? events : [...this.#events, ...events];
    const [status, steps] = await Promise.all([readStatus(this.dir), sampleSteps(this.dir)]);
    const warnings = runWarnings(this.#events, status);
    const standing = JSON.stringify([run, warnings, steps]);
    if (whole) {
      const configuration = await readConfiguration(this.dir);
      const contents = { run, configuration, events: this.#events, warnings, sampleSteps: steps };
      this.#tell({ kind: 'run', role: this.role, contents });
    } else if (events.length > 0 || standing !== this.#told) {
      this.#tell({ kind: 'events', dir: this.dir, run, events, warnings, sampleSteps: steps });
    }
    this.#told = standing;
  }

  #tell(update: PanelUpdate): void {
    if (!this.#closed) this.#send(update);
  }
}

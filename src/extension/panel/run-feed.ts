import type { RunEvent } from '../../protocol/events.ts';
import type { PanelRun, PanelRunContents, PanelUpdate } from '../../protocol/panel.ts';
import { readConfiguration } from '../../runs/directory.ts';
import { runWarnings } from '../../runs/health.ts';
import { type EventCursor, readNewEvents, readStatus, sampleSteps } from '../../runs/reader.ts';

/**
 * Sends one run to a page: everything when the run is opened or when a resumed run has rewound its log, and only additions
 * after that. Calls run one after the other, so that no event is sent twice.
 */
export class RunFeed {
  readonly dir: string;
  readonly role: 'shown' | 'compared';
  readonly #find: (dir: string) => PanelRun | undefined;
  readonly #send: (update: PanelUpdate) => void;
  #cursor: EventCursor | null = null;
  #events: RunEvent[] = [];
  #lastSent: string | null = null;
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

  /** Sends the new data; the first time, all data. */
  update(): Promise<void> {
    const result = this.#last.then(() => (this.#closed ? undefined : this.#update()));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Stops sending, even from an update in progress. */
  close(): void {
    this.#closed = true;
  }

  async #update(): Promise<void> {
    const run = this.#find(this.dir);
    if (!run) {
      if (this.#lastSent !== null) this.#emit(this.#contents(null));
      this.#lastSent = null;
      return;
    }
    const { events, cursor, rewound } = await readNewEvents(this.dir, this.#cursor);
    const whole = this.#lastSent === null || rewound;
    this.#cursor = cursor;
    this.#events = whole ? events : [...this.#events, ...events];
    const [status, steps] = await Promise.all([readStatus(this.dir), sampleSteps(this.dir)]);
    const warnings = runWarnings(this.#events, status);
    const snapshot = JSON.stringify([run, warnings, steps]);
    if (whole) {
      const configuration = await readConfiguration(this.dir);
      this.#emit(this.#contents({ run, configuration, events: this.#events, warnings, sampleSteps: steps }));
    } else if (events.length > 0 || snapshot !== this.#lastSent) {
      this.#emit({ kind: 'events', dir: this.dir, run, events, warnings, sampleSteps: steps });
    }
    this.#lastSent = snapshot;
  }

  #contents(contents: PanelRunContents | null): PanelUpdate {
    const { role, dir } = this;
    return role === 'shown' ? { kind: 'run', role, contents } : { kind: 'run', role, dir, contents };
  }

  #emit(update: PanelUpdate): void {
    if (!this.#closed) this.#send(update);
  }
}

/**
 * A tuning run with workers as discrete events: policies and results share one link, rewards share some slots, and the trainer makes
 * one update after the other. All times are in seconds and sizes in bytes.
 */
import { EventQueue } from './event-queue.ts';

export interface ScalingModel {
  readonly workers: number;
  readonly steps: number;
  /** Groups of a step. A worker computes one group at a time. */
  readonly groups: number;
  /** Seconds in which a worker generates a group. */
  readonly groupSeconds: number;
  /** Seconds for the rewards of a group in one slot, and the number of slots. */
  readonly rewardSeconds: number;
  readonly rewardSlots: number;
  /** Seconds of the updates of a step. */
  readonly updateSeconds: number;
  /** Size of a policy, which each worker fetches once for each version, and of a group's result. */
  readonly policyBytes: number;
  readonly resultBytes: number;
  /** Bytes per second of the server's link, which serves one transfer at a time. */
  readonly bandwidth: number;
  /** The policy of a step is at most this many updates old. */
  readonly staleness: number;
}

/** Seconds of the simulated run divided by its steps. */
export function secondsPerStep(model: ScalingModel): number {
  const events = new EventQueue();
  const link = new Server(events, 1);
  const rewards = new Server(events, model.rewardSlots);
  const workers = Array.from({ length: model.workers }, () => ({ version: -1, isBusy: false }));
  /** Steps of the groups that wait for a worker, oldest first. */
  const waiting: number[] = [];
  const scored = new Array<number>(model.steps).fill(0);
  let published = -1;
  let announced = 0;
  let updated = 0;
  let isUpdating = false;

  const announce = () => {
    for (; announced < model.steps && Math.max(0, announced - model.staleness) <= published; announced++)
      for (let group = 0; group < model.groups; group++) waiting.push(announced);
    for (const worker of workers) next(worker);
  };
  const next = (worker: { version: number; isBusy: boolean }) => {
    if (worker.isBusy) return;
    const step = waiting.shift();
    if (step === undefined) return;
    worker.isBusy = true;
    const generate = () =>
      events.after(model.groupSeconds, () => {
        worker.isBusy = false;
        link.serve(model.resultBytes / model.bandwidth, () => rewards.serve(model.rewardSeconds, () => score(step)));
        next(worker);
      });
    if (worker.version >= step - model.staleness && worker.version >= 0) return generate();
    worker.version = published;
    link.serve(model.policyBytes / model.bandwidth, generate);
  };
  const score = (step: number) => {
    scored[step] = (scored[step] as number) + 1;
    update();
  };
  const update = () => {
    if (isUpdating || updated === model.steps || scored[updated] !== model.groups) return;
    isUpdating = true;
    events.after(model.updateSeconds, () => {
      isUpdating = false;
      updated++;
      if (updated < model.steps) publish(updated);
      update();
    });
  };
  const publish = (version: number) =>
    link.serve(model.policyBytes / model.bandwidth, () => {
      published = version;
      announce();
    });

  publish(0);
  events.run();
  return events.now / model.steps;
}

/** What can limit a run, with the model in which it takes no time. */
const relaxations = {
  rollouts: (model: ScalingModel) => ({ ...model, groupSeconds: 0 }),
  trainer: (model: ScalingModel) => ({ ...model, updateSeconds: 0 }),
  network: (model: ScalingModel) => ({ ...model, bandwidth: Number.POSITIVE_INFINITY }),
  rewards: (model: ScalingModel) => ({ ...model, rewardSeconds: 0 }),
} satisfies Record<string, (model: ScalingModel) => ScalingModel>;
export type Limit = keyof typeof relaxations;

/** The part without which a step would be fastest. */
export function limitOf(model: ScalingModel): Limit {
  const times = Object.entries(relaxations).map(([name, relax]) => ({
    name: name as Limit,
    seconds: secondsPerStep(relax(model)),
  }));
  return times.reduce((least, each) => (each.seconds < least.seconds ? each : least)).name;
}

/** Serves requests in the order in which they arrive, as many at a time as it has slots. */
class Server {
  readonly #events: EventQueue;
  readonly #waiting: { readonly seconds: number; readonly done: () => void }[] = [];
  #free: number;

  constructor(events: EventQueue, slots: number) {
    this.#events = events;
    this.#free = slots;
  }

  serve(seconds: number, done: () => void): void {
    this.#waiting.push({ seconds, done });
    this.#next();
  }

  #next(): void {
    if (this.#free === 0) return;
    const request = this.#waiting.shift();
    if (request === undefined) return;
    this.#free--;
    this.#events.after(request.seconds, () => {
      this.#free++;
      this.#next();
      request.done();
    });
  }
}

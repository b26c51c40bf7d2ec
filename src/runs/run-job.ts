import { Interrupted, isInterruption, messageOf, UsageError, UserError } from '../platform/errors.ts';
import { fileError } from '../platform/files.ts';
import type { RunActivity, RunConfiguration, RunKind } from '../protocol/run.ts';
import { ControlWatch } from './control-watch.ts';
import { type NewRun, readConfiguration, resumeCommand } from './directory.ts';
import { startHeartbeat } from './heartbeat.ts';
import { assertNotInUse } from './lock.ts';
import { RunWriter } from './writer.ts';

/** How the caller of a job observes it. */
export interface JobHooks {
  /** Aborted by SIGINT: the job saves what it can and throws `Interrupted`. */
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: ((run: RunWriter) => void) | undefined;
  /** Called whenever a part of a step or of an evaluation is done. This is often, so the caller limits what it shows. */
  readonly onActivity?: ((activity: RunActivity) => void) | undefined;
}

/** What long work inside a job needs: a signal that stops it, and a function that reports its progress. */
export interface WorkContext {
  /** Check it between two runs of an engine, and pass it to functions that start processes. */
  readonly signal: AbortSignal;
  /** Reports the current activity. `eta` is the remaining seconds of the whole run; default: the last known value. */
  reportProgress(activity: RunActivity, eta?: number | null): void;
}

/** The context of work outside a job: its signal never aborts, and its progress is not reported. */
export const backgroundContext: WorkContext = { signal: new AbortController().signal, reportProgress: () => undefined };

/** A job that works in its run directory. */
export interface RunningJob extends WorkContext {
  readonly run: RunWriter;
  /**
   * Call it between two steps. Waits while the run is paused, after `save`, and throws `Interrupted` if the run is to
   * stop.
   */
  betweenSteps(save?: () => Promise<void>): Promise<void>;
  /** Writes a warning to `log.txt`, and shows it where the job was started. */
  warn(text: string): Promise<void>;
}

/**
 * Where a job works: in a new run directory under `root`, or in an existing one from the end of `step`. `notes` are
 * warnings about the checkpoint, for `log.txt`.
 */
export type JobLocation =
  | { readonly root: string; readonly run: NewRun }
  | {
      readonly dir: string;
      readonly step: number;
      readonly steps?: number | undefined;
      readonly notes?: readonly string[];
    };

export interface Job<Result> {
  readonly location: JobLocation;
  readonly hooks: JobHooks & { readonly onWarning?: ((text: string) => void) | undefined };
  /** Does the work; what it returns becomes `result.json`. */
  work(job: RunningJob): Promise<Result>;
  /** Releases models and programs; called on every path. */
  dispose?(): Promise<void>;
}

/**
 * The life of a job, from its run directory to its last status: creates or resumes the directory and holds its lock,
 * starts the heartbeat, turns stop requests and SIGINT into one signal, does the work, writes the result, and closes the
 * run as finished, interrupted or failed.
 *
 * @throws Interrupted if the run was stopped; the error of the work if it failed
 */
export async function runJob<Result>({ location, hooks, work, dispose }: Job<Result>): Promise<Result> {
  try {
    const run = await open(location);
    const heartbeat = startHeartbeat(run.dir);
    const watch = new ControlWatch(run, hooks.signal);
    try {
      hooks.onStart?.(run);
      const result = await work(runningJob(run, watch, hooks));
      await run.result(result);
      await run.log('Finished.');
      await watch.end();
      await heartbeat.stop();
      await run.close('finished');
      return result;
    } catch (error) {
      await watch.end();
      await heartbeat.stop();
      throw await closeAfter(run, error, watch.signal);
    }
  } finally {
    await dispose?.();
  }
}

async function open(location: JobLocation): Promise<RunWriter> {
  const run =
    'run' in location
      ? await RunWriter.create(location.root, location.run)
      : await RunWriter.resume(location.dir, location.step, location.steps);
  const { kind, device, versions } = run.configuration;
  const how = 'run' in location ? 'Started' : `Resumed after step ${location.step}`;
  await run.log(`${how}: ${kind} on ${device.engine} ${device.device}, unmask ${versions.unmask ?? 'unknown'}.`);
  if ('dir' in location) for (const note of location.notes ?? []) await run.log(`Warning: ${note}`);
  return run;
}

function runningJob(run: RunWriter, watch: ControlWatch, hooks: Job<unknown>['hooks']): RunningJob {
  const { signal } = watch;
  return {
    run,
    signal,
    reportProgress(activity, eta = run.status.eta) {
      run.activity(activity, eta);
      hooks.onActivity?.(activity);
      watch.look();
    },
    async betweenSteps(save) {
      const request = signal.aborted ? 'stop' : await run.request();
      if (request === 'stop') watch.stop();
      if (request === 'pause') {
        await save?.();
        if ((await run.whilePaused(signal)) === 'stop') watch.stop();
      }
      signal.throwIfAborted();
    },
    async warn(text) {
      hooks.onWarning?.(text);
      await run.log(`Warning: ${text}`);
    },
  };
}

/** Closes a run that did not finish, and returns what to throw. */
async function closeAfter(run: RunWriter, error: unknown, signal: AbortSignal): Promise<unknown> {
  if (isInterruption(error) && (!signal.aborted || isInterruption(signal.reason))) {
    const { sentence, command } = stopMessage(run);
    await run.log(sentence).catch(() => undefined);
    await run.close('interrupted', `${sentence} Resume the run to continue.`);
    return new Interrupted(`${sentence} To continue, run \`${command}\`.`);
  }
  // If another process took over the directory, the work was interrupted by the signal, whose reason is the failure.
  const failure: unknown = fileError(isInterruption(error) ? signal.reason : error);
  const isExpected = failure instanceof UserError || !(failure instanceof Error);
  const text = isExpected ? messageOf(failure) : (failure.stack ?? failure.message);
  // Writing to the log may fail too, for example if the disk is full. The first failure is the one to report.
  await run.log(`Failed: ${text}`).catch(() => undefined);
  await run.close('failed', failure);
  return failure;
}

function stopMessage({ configuration, dir, status }: RunWriter): { sentence: string; command: string } {
  const { kind } = configuration;
  const { step, steps } = status;
  const progress: Partial<Record<RunKind, string>> = {
    evaluate: ` after ${step} of ${steps} answers`,
    discover: '; the results so far are kept',
  };
  return {
    sentence: `Stopped${progress[kind] ?? ` after step ${step}`}.`,
    command: resumeCommand(configuration, dir),
  };
}

/**
 * The configuration of a run that a command resumes. Throws a `UsageError` if the run is of another kind, and a
 * `UserError` if a process is working on it.
 */
export async function readResumable(dir: string, kind: RunKind): Promise<RunConfiguration> {
  const configuration = await readConfiguration(dir);
  if (configuration.kind !== kind)
    throw new UsageError(
      `${dir} is a run of kind ${configuration.kind}; resume it with \`${resumeCommand(configuration, dir)}\`.`,
    );
  await assertNotInUse(dir);
  return configuration;
}

/** Throws the `UserError` for a setting in `run.json` that this version does not accept. */
export function refuseSetting(dir: string, setting: string): never {
  throw new UserError(
    `${dir}/run.json has the setting ${setting}, which this version does not accept; start a new run.`,
  );
}

import path from 'node:path';
import * as vscode from 'vscode';
import { Interrupted, UserError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { defaultJobSettings } from '../../protocol/default-settings.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import type { RunKind } from '../../protocol/run.ts';
import { readConfiguration } from '../../runs/directory.ts';
import { isOver } from '../../runs/reader.ts';
import { RunFolder } from '../../runs/run-folder.ts';
import { settings } from '../contributions.ts';
import { launchJob } from '../launch-job.ts';
import type { NodeChoice } from '../node-choice.ts';

/** Directories of jobs that were started from a window, newest first. */
const launched = 'launchedJobs';

/** The command that starts a job of a kind, and goes on with it. */
const commandOf: Partial<Record<RunKind, string>> = { tune: 'tune', pretrain: 'pretrain', evaluate: 'eval' };

/** The jobs of this machine: their run directories, and how one is started. */
export class Jobs implements vscode.Disposable {
  readonly runs = new RunFolder(path.join(dataHome(), 'runs'));
  readonly evaluations = new RunFolder(path.join(dataHome(), 'evaluations'));
  readonly #nodes: NodeChoice;
  readonly #script: string;
  readonly #memory: vscode.Memento;
  readonly #log: vscode.LogOutputChannel;

  constructor(nodes: NodeChoice, script: string, memory: vscode.Memento, log: vscode.LogOutputChannel) {
    this.#nodes = nodes;
    this.#script = script;
    this.#memory = memory;
    this.#log = log;
  }

  /** Starts a command as a job, in a process that outlives the window; returns its run directory. */
  async start(args: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    this.#log.info(`unmask ${args.join(' ')}`);
    const lowPriority = vscode.workspace
      .getConfiguration()
      .get<boolean>(settings.lowPriority, defaultJobSettings.lowPriority);
    const dir = await launchJob(await this.#nodes.get(), this.#script, args, { ...options, lowPriority });
    const earlier = this.launched.filter((other) => other !== dir);
    await this.#memory.update(launched, [dir, ...earlier].slice(0, 50));
    await Promise.all([this.runs.look(), this.evaluations.look()]);
    return dir;
  }

  /** Goes on with a run that no process works on; throws a `UserError` where its kind cannot be gone on with. */
  async resume(dir: string): Promise<void> {
    const { kind } = await readConfiguration(dir);
    const command = commandOf[kind];
    if (command === undefined) throw new UserError(`A run of kind ${kind} cannot be resumed; start it again.`);
    await this.start([command, '--resume', dir]);
  }

  /** Directories of the jobs that were started from a window of this user. */
  get launched(): readonly string[] {
    return this.#memory.get<readonly string[]>(launched, []);
  }

  /** The run or the evaluation in a directory. */
  find(dir: string): PanelRun | undefined {
    return this.runs.find(dir) ?? this.evaluations.find(dir);
  }

  /** Settles when a job is over; throws `Interrupted` where the signal ends the waiting. The job goes on. */
  whenOver(folder: RunFolder, dir: string, signal: AbortSignal): Promise<PanelRun> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const run = folder.find(dir);
        if (run && !isOver(run.state)) return;
        end();
        signal.removeEventListener('abort', cancel);
        if (run) resolve(run);
        else reject(new UserError(`${dir} is gone; it was deleted before its end.`));
      };
      const cancel = () => {
        end();
        reject(new Interrupted(`Nobody waits for ${dir} any more.`));
      };
      const end = folder.onChange(look);
      signal.addEventListener('abort', cancel, { once: true });
      look();
    });
  }

  dispose(): void {
    this.runs.close();
    this.evaluations.close();
  }
}

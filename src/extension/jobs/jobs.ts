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

/** Key of the stored directories of jobs that were started from a window, newest first. */
const launchedKey = 'launchedJobs';

/** The command that starts and resumes a job of a kind. */
const commandOf: Partial<Record<RunKind, string>> = {
  tune: 'tune',
  pretrain: 'pretrain',
  'fine-tune': 'learn',
  evaluate: 'eval',
};

/** The jobs of this machine: lists their run directories and starts new ones. */
export class Jobs implements vscode.Disposable {
  readonly runs = new RunFolder(path.join(dataHome(), 'runs'));
  readonly evaluations = new RunFolder(path.join(dataHome(), 'evaluations'));
  /** Directories of the runs that are deleted when they have stopped, so that their end is not reported. */
  readonly toBeDeleted = new Set<string>();
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

  /** Starts a command as a job in a process that outlives the window, and returns its run directory. */
  async start(args: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    this.#log.info(`unmask ${args.join(' ')}`);
    const lowPriority = vscode.workspace
      .getConfiguration()
      .get<boolean>(settings.lowPriority, defaultJobSettings.lowPriority);
    const dir = await launchJob(await this.#nodes.get(), this.#script, args, { ...options, lowPriority });
    const earlier = this.launched.filter((other) => other !== dir);
    await this.#memory.update(launchedKey, [dir, ...earlier].slice(0, 50));
    await Promise.all([this.runs.look(), this.evaluations.look()]);
    return dir;
  }

  /** Resumes a run that no process works on. Throws a `UserError` if runs of its kind cannot be resumed. */
  async resume(dir: string): Promise<void> {
    const { kind } = await readConfiguration(dir);
    const command = commandOf[kind];
    if (command === undefined) throw new UserError(`A run of kind ${kind} cannot be resumed. Start a new run.`);
    await this.start([command, '--resume', dir]);
  }

  /** Directories of the jobs that were started from a window of this user. */
  get launched(): readonly string[] {
    return this.#memory.get<readonly string[]>(launchedKey, []);
  }

  /** The run or evaluation in a directory. */
  find(dir: string): PanelRun | undefined {
    return this.runs.find(dir) ?? this.evaluations.find(dir);
  }

  /** Waits until a job is over. Throws `Interrupted` if the signal is aborted first; the job continues then. */
  waitUntilOver(folder: RunFolder, dir: string, signal: AbortSignal): Promise<PanelRun> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const run = folder.find(dir);
        if (run && !isOver(run.state)) return;
        end();
        signal.removeEventListener('abort', cancel);
        if (run) resolve(run);
        else reject(new UserError(`${dir} was deleted before the run ended.`));
      };
      const cancel = () => {
        end();
        reject(new Interrupted(`Waiting for ${dir} was cancelled.`));
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

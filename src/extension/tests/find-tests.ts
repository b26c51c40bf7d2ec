import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import { readJson } from '../../platform/files.ts';
import type { DiscoveryDocument } from '../../protocol/discovery.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { requestControl } from '../../runs/control.ts';
import { runFile } from '../../runs/layout.ts';
import { isOver } from '../../runs/reader.ts';
import { signalOf } from '../abort-signal.ts';
import { settings } from '../contributions.ts';
import { followStatus } from '../evaluations/follow-evaluation.ts';
import type { Jobs } from '../jobs/jobs.ts';

/**
 * Finds the functions of a folder that its tests guard, as a job, while a message tells how far it is; undefined where
 * the user cancels it, and then it goes on the next time from what it knows. Throws a `UserError` with its words where it
 * fails.
 */
export async function findTests(jobs: Jobs, folder: string): Promise<DiscoveryDocument | undefined> {
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: 'Unmask: looking which functions the tests guard',
      cancellable: true,
    },
    async (progress, token) => {
      const signal = signalOf(token);
      const command = vscode.workspace.getConfiguration().get<string>(settings.testCommand, '').trim();
      const dir = await jobs.start(
        ['discover', '--workspace', folder, ...(command === '' ? [] : ['--test-command', command])],
        { signal },
      );
      const status = await followStatus(dir, (now) => progress.report({ message: soFar(now) }), signal);
      if (!isOver(status.state)) {
        await requestControl(dir, 'stop').catch(() => undefined);
        return undefined;
      }
      await jobs.runs.look();
      if (status.state === 'failed') throw new UserError(status.error ?? `The search failed; ${dir} has its log.`);
      return status.state === 'finished' ? readDiscovery(dir) : undefined;
    },
  );
}

const soFar = ({ step }: RunStatus): string => (step === 0 ? 'running the tests as they stand' : `${step} looked at`);

/** What a search found. */
export const readDiscovery = async (dir: string): Promise<DiscoveryDocument> =>
  (await readJson(runFile(dir).result)) as DiscoveryDocument;

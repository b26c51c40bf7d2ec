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
 * Finds the functions of a folder that are covered by its tests, as a job with a progress notification. Undefined if the
 * user cancels; the next search then continues from the stored results. Throws a `UserError` if the job fails.
 */
export async function findTests(jobs: Jobs, folder: string): Promise<DiscoveryDocument | undefined> {
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: 'Unmask: Finding functions covered by tests',
      cancellable: true,
    },
    async (progress, token) => {
      const signal = signalOf(token);
      const command = vscode.workspace.getConfiguration().get<string>(settings.testCommand, '').trim();
      const dir = await jobs.start(
        ['discover', '--workspace', folder, ...(command === '' ? [] : ['--test-command', command])],
        { signal },
      );
      const status = await followStatus(dir, (now) => progress.report({ message: progressMessage(now) }), signal);
      if (!isOver(status.state)) {
        await requestControl(dir, 'stop').catch(() => undefined);
        return undefined;
      }
      await jobs.runs.look();
      if (status.state === 'failed') throw new UserError(status.error ?? `The search failed. See the log in ${dir}.`);
      return status.state === 'finished' ? readDiscovery(dir) : undefined;
    },
  );
}

const progressMessage = ({ activity }: RunStatus): string => activity?.text ?? 'starting';

/** Reads the result of a search. */
export const readDiscovery = async (dir: string): Promise<DiscoveryDocument> =>
  (await readJson(runFile(dir).result)) as DiscoveryDocument;

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { size } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import { requestControl } from '../runs/control.ts';
import { dataFolders, diskUse } from '../runs/disk-use.ts';
import { lockHolder } from '../runs/lock.ts';
import { isOver } from '../runs/reader.ts';
import { commands } from './contributions.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { ChosenModel } from './models/chosen-model.ts';
import { withErrorsShown } from './show-error.ts';
import type { ModelsTree } from './trees/models-tree.ts';

/** Milliseconds for a run to save and exit: an engine cannot be interrupted in the middle of a step. */
const stopTimeout = 120_000;

/** `Unmask: Delete All Local Data`: deletes all data of Unmask on this machine, after showing its size. */
export function registerDeleteAllData(
  context: vscode.ExtensionContext,
  {
    jobs,
    models,
    chosen,
    log,
  }: {
    readonly jobs: Jobs;
    readonly models: ModelsTree;
    readonly chosen: ChosenModel;
    readonly log: vscode.LogOutputChannel;
  },
): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.deleteAllData,
      withErrorsShown(log, async () => {
        const home = dataHome();
        const use = await diskUse(home);
        const detail = [...dataFolders.map((name) => `${name}: ${size(use[name])}`), '', `Folder: ${home}`];
        const confirm = 'Delete All';
        const answer = await vscode.window.showWarningMessage(
          'Delete all runs, models, evaluations, comparisons and caches of Unmask? Active runs are stopped first.',
          { modal: true, detail: detail.join('\n') },
          confirm,
        );
        if (answer !== confirm) return;
        await vscode.window.withProgress(
          { location: vscode.ProgressLocation.Notification, title: 'Unmask: Deleting all local data' },
          async () => {
            await stopAll(jobs);
            // Only our own subfolders are deleted: the setting may name a folder that holds other files too.
            for (const name of dataFolders)
              await rm(path.join(home, name), { recursive: true, force: true, maxRetries: 5 });
            await Promise.all(context.globalState.keys().map((key) => context.globalState.update(key, undefined)));
            await chosen.forgetWorkspace();
          },
        );
        await Promise.all([jobs.runs.look(), jobs.evaluations.look()]);
        models.refresh();
        void vscode.window.showInformationMessage('All local data of Unmask was deleted.');
      }),
    ),
  );
}

async function stopAll(jobs: Jobs): Promise<void> {
  await Promise.all([jobs.runs.look(), jobs.evaluations.look()]);
  const activeRuns = [...jobs.runs.runs, ...jobs.evaluations.runs].filter(({ state }) => !isOver(state));
  // A run that ends by itself in the meantime needs no request.
  for (const { dir } of activeRuns) {
    jobs.toBeDeleted.add(dir);
    await requestControl(dir, 'stop').catch(() => undefined);
  }
  const deadline = performance.now() + stopTimeout;
  for (const { dir, run } of activeRuns) {
    while ((await lockHolder(dir)) !== null) {
      if (performance.now() > deadline) {
        jobs.toBeDeleted.clear();
        throw new UserError(
          `Run ${run} did not stop within ${stopTimeout / 1000} s, so nothing was deleted. Try again.`,
        );
      }
      await delay(200);
    }
  }
}

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

/** How long a run may take to save and leave: an engine does not look up in the middle of a step. */
const patience = 120_000;

/** `Unmask: Delete All Local Data`: everything that was ever kept on this machine, after its sizes were shown. */
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
        const detail = [...dataFolders.map((name) => `${name}: ${size(use[name])}`), '', `All of it lies in ${home}.`];
        const confirm = 'Delete All';
        const answer = await vscode.window.showWarningMessage(
          'Delete all runs, kept models, evaluations, comparisons and caches of Unmask? Runs that go on are stopped first.',
          { modal: true, detail: detail.join('\n') },
          confirm,
        );
        if (answer !== confirm) return;
        await vscode.window.withProgress(
          { location: vscode.ProgressLocation.Notification, title: 'Unmask: deleting all local data' },
          async () => {
            await stopAll(jobs);
            // What is in the folder and is not ours stays: the setting may name one that holds more.
            for (const name of dataFolders)
              await rm(path.join(home, name), { recursive: true, force: true, maxRetries: 5 });
            await Promise.all(context.globalState.keys().map((key) => context.globalState.update(key, undefined)));
            await chosen.forgetWorkspace();
          },
        );
        await Promise.all([jobs.runs.look(), jobs.evaluations.look()]);
        models.refresh();
        void vscode.window.showInformationMessage('All local data of Unmask is deleted.');
      }),
    ),
  );
}

async function stopAll(jobs: Jobs): Promise<void> {
  await Promise.all([jobs.runs.look(), jobs.evaluations.look()]);
  const living = [...jobs.runs.runs, ...jobs.evaluations.runs].filter(({ state }) => !isOver(state));
  // One that ends by itself meanwhile needs no asking.
  for (const { dir } of living) await requestControl(dir, 'stop').catch(() => undefined);
  const deadline = Date.now() + patience;
  for (const { dir, run } of living) {
    while ((await lockHolder(dir)) !== null) {
      if (Date.now() > deadline)
        throw new UserError(`The run ${run} did not stop within ${patience / 1000} s; nothing was deleted. Try again.`);
      await delay(200);
    }
  }
}

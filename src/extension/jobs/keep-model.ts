import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { dataHome } from '../../platform/files.ts';
import { isModelName } from '../../platform/model-name.ts';
import type { ModelSummary } from '../../protocol/runtime.ts';
import { readConfiguration } from '../../runs/directory.ts';
import type { RunUnmask } from '../ask-unmask.ts';
import { commands } from '../contributions.ts';
import { keepOpen } from '../keep-open.ts';
import { withErrorsShown } from '../show-error.ts';
import type { ModelsTree } from '../trees/models-tree.ts';
import { compareWithBase, isComparable } from './compare-with-base.ts';
import type { Jobs } from './jobs.ts';
import { pickRun } from './pick-run.ts';

/**
 * `Unmask: Keep Tuned Model`: shows what tuning changed, asks for a name and copies the best checkpoint to the models.
 * It does not ask for a name that is passed as an argument (by another command or a test).
 */
export function registerKeepModel(
  context: vscode.ExtensionContext,
  {
    jobs,
    models,
    ask,
    log,
  }: {
    readonly jobs: Jobs;
    readonly models: ModelsTree;
    readonly ask: RunUnmask;
    readonly log: vscode.LogOutputChannel;
  },
): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.keepModel,
      withErrorsShown(log, async (target?: unknown, requestedName?: unknown) => {
        const dir = await pickRun(jobs, target, 'Keep Tuned Model', isComparable);
        if (dir === undefined) return undefined;
        // The user compares the answers of the tuned and the base model before keeping it.
        await compareWithBase(context.globalState, jobs, dir);
        const root = path.join(dataHome(), 'models');
        const name = typeof requestedName === 'string' ? requestedName : await askName(dir, root);
        if (name === undefined) return undefined;
        const { model } = await ask<{ model: ModelSummary }>(['models', 'keep', dir, '--name', name]);
        models.refresh();
        void offerUse(models, name);
        return model.folder;
      }),
    ),
  );
}

async function askName(dir: string, models: string): Promise<string | undefined> {
  const { task, model } = await readConfiguration(dir);
  return vscode.window.showInputBox({
    title: 'Name of the tuned model',
    prompt:
      'The comparison with the base model is open in the editor. Press Enter to keep the model, or Esc to cancel.',
    value: [path.basename(model ?? 'model'), task].filter(Boolean).join('-'),
    // The input box stays open while the user looks at the comparison.
    ...keepOpen,
    validateInput: async (name) => {
      if (!isModelName(name)) return 'Use letters, digits, ".", "_" and "-". Start with a letter or a digit.';
      const taken = await stat(path.join(models, name)).then(
        () => true,
        () => false,
      );
      return taken ? 'A model with this name already exists.' : null;
    },
  });
}

/** Offers to use the model for completions, if it can complete code. */
async function offerUse(models: ModelsTree, name: string): Promise<void> {
  await models.getChildren();
  const use = 'Use for Completions';
  const actions = models.find(name)?.completes ? [use] : [];
  const answer = await vscode.window.showInformationMessage(`Model ${name} was added to your models.`, ...actions);
  if (answer === use) await vscode.commands.executeCommand(commands.useModel, name);
}

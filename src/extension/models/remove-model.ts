import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import type { AskUnmask } from '../ask-unmask.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import type { ModelsTree } from '../trees/models-tree.ts';
import type { ChosenModel } from './chosen-model.ts';

export interface RemoveModelParts {
  readonly models: ModelsTree;
  readonly chosen: ChosenModel;
  readonly ask: AskUnmask;
  readonly log: vscode.LogOutputChannel;
}

/** `Unmask: Remove Model`: an installed one, after a question. */
export function registerRemoveModel(context: vscode.ExtensionContext, parts: RemoveModelParts): void {
  const { models, chosen, ask, log } = parts;
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.removeModel,
      withErrorsShown(log, async (given?: unknown) => {
        const name = typeof given === 'string' ? given : await pickInstalled(models);
        if (name === undefined) return;
        // Only what was kept here: the program says so too, but after the question.
        if (models.find(name)?.kind !== 'installed')
          throw new UserError(`${name} was not kept on this machine, so it cannot be removed.`);
        const remove = 'Remove';
        const detail =
          name === chosen.name ? 'Completions come from it now; choose another model first to keep having them.' : '';
        const answer = await vscode.window.showWarningMessage(
          `Remove the model ${name}?`,
          { modal: true, detail },
          remove,
        );
        if (answer !== remove) return;
        await ask(['models', 'remove', name, '--yes']);
        models.refresh();
      }),
    ),
  );
}

async function pickInstalled(models: ModelsTree): Promise<string | undefined> {
  const names = (await models.getChildren()).filter((name) => models.find(name)?.kind === 'installed');
  if (names.length === 0) {
    void vscode.window.showInformationMessage('No model was kept on this machine, so there is none to remove.');
    return undefined;
  }
  return vscode.window.showQuickPick(names, { title: 'Remove which model?' });
}

import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import type { RunUnmask } from '../ask-unmask.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import type { ModelsTree } from '../trees/models-tree.ts';
import type { ChosenModel } from './chosen-model.ts';

export interface RemoveModelParts {
  readonly models: ModelsTree;
  readonly chosen: ChosenModel;
  readonly ask: RunUnmask;
  readonly log: vscode.LogOutputChannel;
}

/** `Unmask: Remove Model`: removes an installed model after confirmation. */
export function registerRemoveModel(context: vscode.ExtensionContext, parts: RemoveModelParts): void {
  const { models, chosen, ask, log } = parts;
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.removeModel,
      withErrorsShown(log, async (argument?: unknown) => {
        const name = typeof argument === 'string' ? argument : await pickInstalled(models);
        if (name === undefined) return;
        // The program checks this too, but only after the user has confirmed.
        if (models.find(name)?.kind !== 'installed')
          throw new UserError(`${name} is not an installed model, so it cannot be removed.`);
        const remove = 'Remove';
        const detail =
          name === chosen.name ? 'This model is in use for completions. They stop until you select another model.' : '';
        const answer = await vscode.window.showWarningMessage(`Remove model ${name}?`, { modal: true, detail }, remove);
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
    void vscode.window.showInformationMessage('There is no installed model to remove.');
    return undefined;
  }
  return vscode.window.showQuickPick(names, { title: 'Select a model to remove' });
}

import { rm } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { UserError } from '../platform/errors.ts';
import { dataHome } from '../platform/files.ts';
import { commands, settings } from './contributions.ts';
import { withErrorsShown } from './show-error.ts';
import { type ModelsTree, modelInUse } from './trees/models-tree.ts';

const previous = 'previousModel';
/** Shows the button that goes back. */
const hasPrevious = 'unmask.hasPreviousModel';

/** Which model completes: another one by a click, the one before by another, whatever the change was made with. */
export function registerModelHistory(
  context: vscode.ExtensionContext,
  models: ModelsTree,
  log: vscode.LogOutputChannel,
): void {
  const memory = context.globalState;
  const before = () => memory.get<string>(previous);
  const showButton = () => vscode.commands.executeCommand('setContext', hasPrevious, before() !== undefined);
  let now = modelInUse();
  void showButton();

  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (!event.affectsConfiguration(settings.model) || modelInUse() === now) return;
      const [left, taken] = [now, modelInUse()];
      now = taken;
      await memory.update(previous, left);
      await showButton();
      const back = 'Go Back';
      const answer = await vscode.window.showInformationMessage(
        `Completions now come from ${nameOf(taken)}, before from ${nameOf(left)}.`,
        back,
      );
      if (answer === back && modelInUse() === taken) await use(left);
    }),
    vscode.commands.registerCommand(
      commands.previousModel,
      withErrorsShown(log, async () => {
        const model = before();
        if (model === undefined) throw new UserError('No other model was in use before this one.');
        await use(model);
      }),
    ),
    vscode.commands.registerCommand(
      commands.useModel,
      withErrorsShown(log, async (given?: unknown) => {
        if (typeof given === 'string') await use(given);
        else await vscode.commands.executeCommand(commands.selectModel);
      }),
    ),
    vscode.commands.registerCommand(
      commands.deleteModel,
      withErrorsShown(log, async (given?: unknown) => {
        const model = typeof given === 'string' ? given : await pickInstalled(models);
        if (model === undefined) return;
        await confirmAndDelete(models, model);
        models.refresh();
      }),
    ),
  );
}

async function use(model: string): Promise<void> {
  await vscode.workspace.getConfiguration().update(settings.model, model, vscode.ConfigurationTarget.Global);
}

async function pickInstalled(models: ModelsTree): Promise<string | undefined> {
  const names = (await models.getChildren()).filter((name) => models.find(name)?.kind === 'installed');
  if (names.length === 0) {
    void vscode.window.showInformationMessage('No model was kept on this machine, so there is none to delete.');
    return undefined;
  }
  return vscode.window.showQuickPick(names, { title: 'Delete which model?' });
}

async function confirmAndDelete(models: ModelsTree, name: string): Promise<void> {
  const folder = path.join(dataHome(), 'models', name);
  // Only what was kept here: a name that leads elsewhere is not ours to delete.
  if (models.find(name)?.kind !== 'installed' || path.dirname(folder) !== path.join(dataHome(), 'models'))
    throw new UserError(`${name} was not kept on this machine, so it cannot be deleted.`);
  const confirm = 'Delete';
  const detail =
    name === modelInUse() ? 'Completions come from it now; choose another model first to keep having them.' : '';
  const answer = await vscode.window.showWarningMessage(`Delete the model ${name}?`, { modal: true, detail }, confirm);
  if (answer === confirm) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

const nameOf = (model: string): string => model.split(/[\\/]/).at(-1) || 'no model';

import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import { commands } from '../contributions.ts';
import { withErrorsShown } from '../show-error.ts';
import type { ChosenModel } from './chosen-model.ts';
import { labelOf } from './model-items.ts';

const previousModelKey = 'previousModel';
/** Context key that shows the button to go back. */
const hasPrevious = 'unmask.hasPreviousModel';

/** Commands to use another model for completions and to go back to the previous one, however the model was changed. */
export function registerModelHistory(
  context: vscode.ExtensionContext,
  chosen: ChosenModel,
  log: vscode.LogOutputChannel,
): void {
  const memory = context.globalState;
  const before = () => memory.get<string>(previousModelKey);
  const showButton = () => vscode.commands.executeCommand('setContext', hasPrevious, before() !== undefined);
  let now = chosen.name;
  void showButton();

  context.subscriptions.push(
    chosen.onDidChange(async () => {
      if (chosen.name === now) return;
      const [left, taken] = [now, chosen.name];
      now = taken;
      await memory.update(previousModelKey, left);
      await showButton();
      const back = 'Go Back';
      const answer = await vscode.window.showInformationMessage(
        `Now using ${nameOf(taken)} (was ${nameOf(left)}).`,
        back,
      );
      if (answer === back && chosen.name === taken) await chosen.use(left);
    }),
    vscode.commands.registerCommand(
      commands.previousModel,
      withErrorsShown(log, async () => {
        const model = before();
        if (model === undefined) throw new UserError('There is no previous model.');
        await chosen.use(model);
      }),
    ),
    vscode.commands.registerCommand(
      commands.useModel,
      withErrorsShown(log, async (argument?: unknown) => {
        if (typeof argument === 'string') await chosen.use(argument);
        else await vscode.commands.executeCommand(commands.selectModel);
      }),
    ),
  );
}

const nameOf = (model: string): string => labelOf(model) || 'no model';

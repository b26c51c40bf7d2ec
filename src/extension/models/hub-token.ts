import * as vscode from 'vscode';
import { commands } from '../contributions.ts';
import type { NodeProgram } from '../find-node.ts';
import { keepOpen } from '../keep-open.ts';
import { withErrorsShown } from '../show-error.ts';

const secret = 'huggingFaceToken';

/** Adds the token to the environment of a program, which only processes of the same user can read. */
export async function withHubToken(node: NodeProgram, secrets: vscode.SecretStorage): Promise<NodeProgram> {
  const token = await secrets.get(secret);
  return token === undefined ? node : { ...node, environment: { ...node.environment, HF_TOKEN: token } };
}

/** `Unmask: Set Hugging Face Token`: stores it in VS Code's secret storage only. An empty input deletes it. */
export function registerSetHubToken(context: vscode.ExtensionContext, log: vscode.LogOutputChannel): void {
  const { secrets } = context;
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.setHubToken,
      withErrorsShown(log, async () => {
        const before = await secrets.get(secret);
        const token = await vscode.window.showInputBox({
          ...keepOpen,
          title: before === undefined ? 'Hugging Face token' : 'Hugging Face token (replaces the stored one)',
          prompt: `For private and gated models. The token is stored in VS Code’s secret storage.${before === undefined ? '' : ' Leave it empty to delete the stored token.'}`,
          password: true,
          validateInput: (value) => tokenProblem(value.trim()),
        });
        if (token === undefined) return;
        if (token.trim() === '') await secrets.delete(secret);
        else await secrets.store(secret, token.trim());
        void vscode.window.showInformationMessage(
          token.trim() === '' ? 'No Hugging Face token is stored.' : 'The Hugging Face token was stored.',
        );
      }),
    ),
  );
}

const tokenProblem = (token: string): string | null =>
  token === '' || /^[\x21-\x7e]+$/.test(token) ? null : 'A token has no spaces and no accented letters. Copy it again.';

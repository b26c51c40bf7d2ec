import * as vscode from 'vscode';
import { commands } from '../contributions.ts';
import type { NodeProgram } from '../find-node.ts';
import { withErrorsShown } from '../show-error.ts';
import { staysOpen } from '../stays-open.ts';

const secret = 'huggingFaceToken';

/** A program that finds the token in its environment, where nobody reads it but what runs as the same user. */
export async function withHubToken(node: NodeProgram, secrets: vscode.SecretStorage): Promise<NodeProgram> {
  const token = await secrets.get(secret);
  return token === undefined ? node : { ...node, environment: { ...node.environment, HF_TOKEN: token } };
}

/** `Unmask: Set Hugging Face Token`: kept in VS Code's secret storage, and nowhere else. An empty one is forgotten. */
export function registerSetHubToken(context: vscode.ExtensionContext, log: vscode.LogOutputChannel): void {
  const { secrets } = context;
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.setHubToken,
      withErrorsShown(log, async () => {
        const before = await secrets.get(secret);
        const token = await vscode.window.showInputBox({
          ...staysOpen,
          title: before === undefined ? 'Hugging Face token' : 'Hugging Face token (one is kept)',
          prompt: `For models that are private or gated. It is kept in VS Code’s secret storage.${before === undefined ? '' : ' Empty: forget it.'}`,
          password: true,
          validateInput: (value) => tokenProblem(value.trim()),
        });
        if (token === undefined) return;
        if (token.trim() === '') await secrets.delete(secret);
        else await secrets.store(secret, token.trim());
        void vscode.window.showInformationMessage(
          token.trim() === '' ? 'No Hugging Face token is kept.' : 'The Hugging Face token is kept.',
        );
      }),
    ),
  );
}

const tokenProblem = (token: string): string | null =>
  token === '' || /^[\x21-\x7e]+$/.test(token)
    ? null
    : 'A token holds no spaces and no letters with accents; copy it again.';

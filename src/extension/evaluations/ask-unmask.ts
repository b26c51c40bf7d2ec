import type * as vscode from 'vscode';
import type { NodeChoice } from '../node-choice.ts';
import { runUnmask } from '../run-unmask.ts';

/** Milliseconds after which an answer is not to be expected any more: nothing that is asked for here computes. */
const patience = 60_000;

/** Asks the packaged program for the document of a command that takes no time. */
export type AskUnmask = <Document>(args: readonly string[]) => Promise<Document>;

export function askUnmask(nodes: NodeChoice, script: string, log: vscode.LogOutputChannel): AskUnmask {
  return async (args) =>
    runUnmask(await nodes.get(), script, args, {
      signal: AbortSignal.timeout(patience),
      log: (line) => log.info(line),
    });
}

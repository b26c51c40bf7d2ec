import type * as vscode from 'vscode';
import type { NodeChoice } from './node-choice.ts';
import { runUnmask } from './run-unmask.ts';

/** Milliseconds after which an answer is not to be expected any more, of a command that does not compute. */
const patience = 60_000;

/** Asks the packaged program for the document of a command; one that takes time needs a signal that ends it. */
export type AskUnmask = <Document>(args: readonly string[], signal?: AbortSignal) => Promise<Document>;

export function askUnmask(nodes: NodeChoice, script: string, log: vscode.LogOutputChannel): AskUnmask {
  return async (args, signal = AbortSignal.timeout(patience)) =>
    runUnmask(await nodes.get(), script, args, { signal, log: (line) => log.info(line) });
}

import type * as vscode from 'vscode';
import type { NodeChoice } from './node-choice.ts';
import { runUnmask } from './run-unmask.ts';

/** Milliseconds before a command that does not compute is cancelled. */
const commandTimeout = 60_000;

/** Runs a command of the packaged program and returns its JSON document. Pass a signal for a command that takes time. */
export type RunUnmask = <Document>(args: readonly string[], signal?: AbortSignal) => Promise<Document>;

export function askUnmask(nodes: NodeChoice, script: string, log: vscode.LogOutputChannel): RunUnmask {
  return async (args, signal = AbortSignal.timeout(commandTimeout)) =>
    runUnmask(await nodes.get(), script, args, { signal, log: (line) => log.info(line) });
}

import { once } from 'node:events';
import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';
import { serve } from '../../runtime/server.ts';
import type { AddCommand } from '../command.ts';

export function addServe(add: AddCommand): void {
  add('serve', 'Serve completions as a language server on stdin and stdout', async (_, { signal }) => {
    // stdout carries the protocol, so output of libraries goes to stderr.
    console.log = console.info = console.debug = console.error;
    serve(createConnection(ProposedFeatures.all, process.stdin, process.stdout));
    const ended = new AbortController();
    // stdin closes when the parent process ends.
    await Promise.race([
      once(process.stdin, 'close', { signal: ended.signal }),
      once(process.stdin, 'end', { signal: ended.signal }),
      once(signal, 'abort', { signal: ended.signal }),
    ]);
    ended.abort();
    return { document: null, lines: [] };
  });
}

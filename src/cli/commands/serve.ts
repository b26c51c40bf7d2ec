import { once } from 'node:events';
import {
  createConnection,
  type MessageReader,
  ProposedFeatures,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { messageOf, UserError } from '../../platform/errors.ts';
import { serve } from '../../runtime/server.ts';
import type { AddCommand } from '../command.ts';

export function addServe(add: AddCommand): void {
  add('serve', 'Serve completions as a language server on stdin and stdout', async (_, { signal }) => {
    // stdout carries the protocol, so output of libraries goes to stderr.
    console.log = console.info = console.debug = console.error;
    const reader = new StreamMessageReader(process.stdin);
    const broken = brokenStream(reader);
    serve(createConnection(ProposedFeatures.all, reader, new StreamMessageWriter(process.stdout)));
    const ended = new AbortController();
    // stdin closes when the parent process ends.
    await Promise.race([
      once(process.stdin, 'close', { signal: ended.signal }),
      once(process.stdin, 'end', { signal: ended.signal }),
      once(signal, 'abort', { signal: ended.signal }),
      broken,
    ]);
    ended.abort();
    return { document: null, lines: [] };
  });
}

/**
 * Rejects when the client's stream cannot be followed any more: a header without a valid length, a body that is not JSON, or a
 * message that is cut off for long. The beginning of the next message is then unknown, so the server exits, and the client starts
 * another one.
 */
export function brokenStream(reader: MessageReader): Promise<never> {
  return new Promise((_, reject) => {
    const end = (reason: string) =>
      reject(
        new UserError(`The client sent an invalid message (${reason}); the server exits, so that it can be restarted.`),
      );
    reader.onError((error) => end(messageOf(error)));
    // Ten seconds (the library's default) without the rest of a message that a local process writes at once.
    reader.onPartialMessage(({ waitingTime }) => end(`${waitingTime / 1000} s without the rest of it`));
  });
}

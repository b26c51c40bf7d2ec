import type { Connection } from 'vscode-languageserver';
import { lastNextEdit, type NextEditParameters, nextEdit } from '../protocol/next-edits.ts';
import * as client from './client-messages.ts';
import type { NextEdits } from './next-edits.ts';

/** Answers the requests for next edits. */
export function answerNextEdits(connection: Connection, messages: client.ClientMessages, nextEdits: NextEdits): void {
  connection.onRequest(
    nextEdit,
    messages.request(client.nextEdit, (parameters: NextEditParameters) => nextEdits.answer(parameters)),
  );
  connection.onRequest(
    lastNextEdit,
    messages.request(null, () => nextEdits.last),
  );
}

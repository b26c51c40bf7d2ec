import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { it } from 'node:test';
import {
  createConnection,
  createMessageConnection,
  ProposedFeatures,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { brokenStream } from '../../src/cli/commands/serve.ts';
import { defaultSettings } from '../../src/protocol/default-settings.ts';
import {
  lastCompletion,
  settingsChanged,
  snooze,
  suggestionAccepted,
  watchCompletions,
} from '../../src/protocol/runtime.ts';
import { serve } from '../../src/runtime/server.ts';

const uri = 'file:///work/a.ts';
const request = {
  textDocument: { uri },
  position: { line: 0, character: 3 },
  context: { triggerKind: 1 },
};
const initialize = { processId: null, rootUri: null, capabilities: {} };

/** A server whose model always suggests the same text, before the handshake. */
function connect() {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  const positions = {
    tokens: new Int32Array(1),
    revealedAt: new Int32Array(1),
    confidence: new Float32Array(1),
    entropy: new Float32Array(1),
    forwards: 1,
  };
  const alternative = { ...positions, text: 'value', length: 1, ended: true, meanConfidence: 0.9 };
  serve(createConnection(ProposedFeatures.all, toServer, toClient), () =>
    Promise.resolve({
      alternatives: [alternative],
      healed: '',
      contextTokens: 3,
      forwards: 1,
      contextMilliseconds: 0,
      denoiseMilliseconds: 0,
    }),
  );
  const connection = createMessageConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer));
  connection.onError(() => undefined);
  connection.listen();
  const codeOf = (method: string, parameters?: unknown) =>
    connection.sendRequest(method, parameters).then(
      () => null,
      (error: { code: number }) => error.code,
    );
  return { connection, codeOf };
}

it('requests before initialize, and a second initialize, are refused by the codes of the protocol', async () => {
  const { connection, codeOf } = connect();
  for (const method of ['textDocument/inlineCompletion', lastCompletion, 'unmask/models'])
    assert.equal(await codeOf(method, request), -32002, method);
  assert.equal(await codeOf('initialize', initialize), null);
  assert.equal(await codeOf('initialize', initialize), -32600);
  assert.equal(await codeOf(lastCompletion), null);
  connection.dispose();
});

it('malformed messages are refused, and the next completion works', async () => {
  const { connection, codeOf } = connect();
  await connection.sendRequest('initialize', initialize);
  await connection.sendNotification('initialized', {});
  const textDocument = { uri, languageId: 'typescript', version: 1, text: 'let ' };
  await connection.sendNotification('textDocument/didOpen', { textDocument });
  const completions = { ...defaultSettings.completions, debounce: 0 };
  await connection.sendNotification(settingsChanged, { ...defaultSettings, completions });
  const malformed = [null, 1, 'x', [], {}, { completions: null }, { ...defaultSettings, completions: { enabled: 1 } }];
  for (const name of [settingsChanged, snooze, watchCompletions, suggestionAccepted])
    for (const parameters of malformed) await connection.sendNotification(name, parameters as object);
  for (const name of ['textDocument/didChange', 'textDocument/didOpen', 'textDocument/didClose', 'unmask/unknown'])
    for (const parameters of malformed) await connection.sendNotification(name, parameters as object);
  for (const parameters of [...malformed, { ...request, position: { line: -1, character: 'x' } }])
    for (const method of ['textDocument/inlineCompletion', 'unmask/denoise', 'unmask/sampleDenoising'])
      assert.equal(await codeOf(method, parameters), -32602, `${method} ${JSON.stringify(parameters)}`);
  const found = (await connection.sendRequest('textDocument/inlineCompletion', request)) as { insertText: string }[];
  assert.equal(found[0]?.insertText, 'value');
  connection.dispose();
});

it('a stream with a wrong length or a body that is not JSON ends the server with one sentence', async () => {
  const whole = JSON.stringify({ jsonrpc: '2.0', method: 'initialized', params: {} });
  for (const sent of [
    `Content-Length: x\r\n\r\n${whole}`,
    `Content-Length: ${whole.length - 5}\r\n\r\n${whole}`,
    `\r\n\r\n${whole}`,
    'Content-Length: 4\r\n\r\n{"a"',
  ]) {
    const stream = new PassThrough();
    const reader = new StreamMessageReader(stream);
    const broken = brokenStream(reader);
    reader.listen(() => undefined);
    stream.write(sent);
    await assert.rejects(broken, {
      name: 'UserError',
      message: /^The client sent an invalid message \(.*\); the server exits, so that it can be restarted\.$/s,
    });
  }
  const stream = new PassThrough();
  const reader = new StreamMessageReader(stream);
  reader.partialMessageTimeout = 50;
  const cutOff = brokenStream(reader);
  reader.listen(() => undefined);
  stream.write(`Content-Length: ${whole.length + 50}\r\n\r\n${whole}`);
  await assert.rejects(cutOff, /without the rest of it/);
  // The reader's timer ends with the message.
  stream.write(' '.repeat(50));
});

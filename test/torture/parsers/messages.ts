import { parseEvaluationRequest } from '../../../src/extension/evaluations/evaluation-request.ts';
import { parsePanelRequest } from '../../../src/extension/panel/panel-request.ts';
import { defaultSettings } from '../../../src/protocol/default-settings.ts';
import * as client from '../../../src/runtime/client-messages.ts';
import { coverageOf, verdictOf } from '../../../src/workspace/harness-report.ts';
import type { OutsideParser } from './outside-parser.ts';

/** Parsers of messages of a client, of VS Code's pages, and of the reports of test runs. */
export function messageParsers(): OutsideParser[] {
  const json = (name: string, examples: readonly unknown[], parse: (value: unknown) => unknown): OutsideParser => ({
    name,
    examples: examples.map((example) => Buffer.from(JSON.stringify(example))),
    parse(input) {
      let value: unknown;
      try {
        value = JSON.parse(input.toString('utf8'));
      } catch {
        // The connection parses JSON; anything else never reaches the parser.
        value = input.toString('utf8');
      }
      return parse(value);
    },
  });
  const {
    inlineCompletion,
    acceptedSuggestion,
    snooze,
    watchCompletions,
    denoiseParameters,
    sampleDenoising,
    settings,
  } = client;
  const schemas = [
    inlineCompletion,
    acceptedSuggestion,
    snooze,
    watchCompletions,
    denoiseParameters,
    sampleDenoising,
    settings,
  ];
  const position = { line: 0, character: 3 };
  const run = { code: 0, signal: null, broken: null, stdout: '', stderr: '', seconds: 1 };
  const nonce = '0'.repeat(32);
  const lines = [
    { kind: 'started' },
    { kind: 'test', id: 'a', passed: true },
    { kind: 'coverage', file: 'a.js', names: ['f'], ends: [1] },
    { kind: 'finished' },
  ];
  return [
    json(
      'messages of a client',
      [
        { textDocument: { uri: 'file:///a.ts' }, position, context: { triggerKind: 1 } },
        { request: 1, alternative: 0 },
        { uri: 'file:///a.ts', ...position, seed: 1, alternatives: 2 },
        { dir: '/runs/a', step: 1, index: 0 },
        defaultSettings,
      ],
      (value) => {
        const messages = new client.ClientMessages(() => undefined);
        messages.initialize();
        for (const schema of schemas) messages.notification('unmask/any', schema, () => undefined)(value);
        return schemas.map((schema) => schema.safeParse(value).success);
      },
    ),
    json(
      'messages of the panel',
      [
        { kind: 'ready' },
        { kind: 'open', dir: '/runs/a' },
        { kind: 'control', dir: '/runs/a', want: 'stop' },
        { kind: 'copy', text: 'a' },
      ],
      parsePanelRequest,
    ),
    json(
      'messages of an evaluation',
      [
        { kind: 'compare', against: null },
        { kind: 'show-answers', problem: 'a' },
      ],
      parseEvaluationRequest,
    ),
    {
      name: 'test reports',
      examples: [Buffer.from(lines.map((line) => `${nonce} ${JSON.stringify(line)}\n`).join(''))],
      parse: (input) => [
        verdictOf({ ...run, report: input.toString('utf8') }, nonce, ['a']),
        coverageOf({ ...run, report: input.toString('utf8') }, nonce),
      ],
    },
  ];
}

import { fromMessage } from '../../../src/workers/canvas-message.ts';
import {
  announcedRunSchema,
  policySchema,
  readMessage,
  resultSchema,
  rewardJobSchema,
  rolloutJobSchema,
  workerSchema,
} from '../../../src/workers/messages.ts';
import type { OutsideParser } from './outside-parser.ts';

const run = '0123456789abcdef';
const digest = 'ab'.repeat(32);
const canvas = { tokens: 'AQAAAA==', revealedAt: 'AAAAAA==', confidence: 'AACAPw==', entropy: 'AAAAAA==', forwards: 1 };
const computedBy = { id: digest, worker: 'w', machine: 'm', seconds: 1 };
const decoding = { order: 'random', length: 1, block: 1, steps: 1, threshold: 0.9, temperature: 1 };
const row = { puzzle: '1', solution: '1' };

/** Messages of a queue, by their schemas. */
const messages = [
  [
    'the announcement of a run',
    announcedRunSchema,
    { id: run, run: 'a', task: 't', version: '1', model: { name: 'm', digest: 'd', adapter: null }, rewards: true },
  ],
  [
    'a policy',
    policySchema,
    { run, incarnation: 'i', version: 0, digest, kind: 'full', base: 'b', bytes: 4, chunks: [digest] },
  ],
  [
    'a group',
    rolloutJobSchema,
    { kind: 'rollouts', run, step: 1, task: 't', prompt: 'p', suffix: '', policy: digest, seeds: [1], decoding },
  ],
  [
    'completions to score',
    rewardJobSchema,
    { kind: 'rewards', run, task: 't', format: 'plain', requests: [{ row, completion: 'c', reward: 'r' }] },
  ],
  [
    'a worker',
    workerSchema,
    {
      name: 'w',
      device: 'd',
      machine: 'm',
      roles: [],
      tokens_per_second: null,
      busy: true,
      last_seen: '2026-01-01T00:00:00Z',
      refused: [],
    },
  ],
  ['results', resultSchema, { kind: 'rollouts', ...computedBy, tokens: 1, canvases: [canvas] }],
  ['rewards', resultSchema, { kind: 'rewards', ...computedBy, rewards: [{ total: 1, parts: {} }, { broken: 'b' }] }],
] as const;

/** Parsers of the messages between a trainer and its workers. */
export const workerMessageParsers = (): OutsideParser[] =>
  messages.map(([name, schema, example]) => ({
    name: `messages of workers: ${name}`,
    examples: [Buffer.from(JSON.stringify(example))],
    parse(input) {
      const value: unknown = readMessage<unknown>(schema, input.toString('utf8'));
      const { canvases = [] } = value as { readonly canvases?: readonly Parameters<typeof fromMessage>[0][] };
      return [value, ...canvases.map((each) => fromMessage(each, 1, 8))];
    },
  }));

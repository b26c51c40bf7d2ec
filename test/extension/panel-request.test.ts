import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePanelRequest } from '../../src/extension/panel/panel-request.ts';
import type { PanelRequest } from '../../src/protocol/panel.ts';

const dir = '/home/runs/a';
const requests: readonly PanelRequest[] = [
  { kind: 'ready', shown: null, compared: [dir] },
  { kind: 'show-run', dir },
  { kind: 'compare-run', dir, compare: true },
  { kind: 'show-samples', dir, step: 3, offset: 20 },
  { kind: 'denoise-sample', dir, step: 3, index: 1 },
  { kind: 'denoise-here', seed: 1, alternatives: 3 },
  { kind: 'cancel-denoise' },
  { kind: 'insert', text: 'x' },
  { kind: 'copy', text: '' },
  { kind: 'control', dir, want: 'pause' },
  { kind: 'delete-run', dir },
  { kind: 'command', command: 'tuneOnTask' },
];

describe('parsePanelRequest', () => {
  for (const request of requests)
    it(`accepts ${request.kind}`, () => {
      assert.deepEqual(parsePanelRequest(request), request);
    });

  for (const [title, message] of [
    ['is not an object', 'ready'],
    ['has an unknown kind', { kind: 'reboot' }],
    ['lacks a field', { kind: 'show-run' }],
    ['names a command without a button', { kind: 'command', command: 'deleteAllData' }],
    ['names a command by its id', { kind: 'command', command: 'workbench.action.terminal.sendSequence' }],
    ['has an unknown control request', { kind: 'control', dir, want: 'format' }],
    ['has a negative step', { kind: 'show-samples', dir, step: -1, offset: 0 }],
    ['requests a thousand alternatives', { kind: 'denoise-here', seed: 1, alternatives: 1000 }],
    ['has a path as a number', { kind: 'delete-run', dir: 7 }],
  ] as const)
    it(`rejects a message that ${title}`, () => {
      assert.equal(parsePanelRequest(message), null);
    });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batteryRequest } from '../../src/extension/jobs/battery-requests.ts';

const by = (requester: 'battery' | 'user', want: 'run' | 'pause' | 'stop') => ({
  want,
  id: requester === 'user' ? 'x' : 'battery:x',
});

describe('a run, for the battery', () => {
  for (const [what, onBattery, state, control, wish] of [
    ['is paused when the plug is pulled', true, 'running', null, 'pause'],
    ['is paused when it starts without a plug', true, 'starting', null, 'pause'],
    ['is paused again after it went on by itself', true, 'running', by('battery', 'run'), 'pause'],
    ['is left alone where its user resumed it', true, 'running', by('user', 'run'), null],
    ['is asked once', true, 'running', by('battery', 'pause'), null],
    ['is left alone while it stops', true, 'stopping', by('user', 'stop'), null],
    ['is left alone where it is paused', true, 'paused', by('user', 'pause'), null],
    ['goes on with the plug', false, 'paused', by('battery', 'pause'), 'run'],
    ['stays paused where its user paused it', false, 'paused', by('user', 'pause'), null],
    ['stays as it is where nobody asked for anything', false, 'running', null, null],
  ] as const)
    it(what, () => {
      assert.equal(batteryRequest(onBattery, { state, control }), wish);
    });
});

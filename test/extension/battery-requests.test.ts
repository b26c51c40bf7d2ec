import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batteryRequest } from '../../src/extension/jobs/battery-requests.ts';

const by = (requester: 'battery' | 'user', want: 'run' | 'pause' | 'stop') => ({
  want,
  id: requester === 'user' ? 'x' : 'battery:x',
});

describe('batteryRequest', () => {
  for (const [title, onBattery, state, control, expected] of [
    ['is paused when the machine is unplugged', true, 'running', null, 'pause'],
    ['is paused when it starts on battery', true, 'starting', null, 'pause'],
    ['is paused again after the battery setting resumed it', true, 'running', by('battery', 'run'), 'pause'],
    ['is not paused if the user resumed it', true, 'running', by('user', 'run'), null],
    ['gets one request only', true, 'running', by('battery', 'pause'), null],
    ['gets no request while it stops', true, 'stopping', by('user', 'stop'), null],
    ['gets no request if it is paused', true, 'paused', by('user', 'pause'), null],
    ['continues on mains power', false, 'paused', by('battery', 'pause'), 'run'],
    ['stays paused if the user paused it', false, 'paused', by('user', 'pause'), null],
    ['gets no request without an earlier one', false, 'running', null, null],
  ] as const)
    it(title, () => {
      assert.equal(batteryRequest(onBattery, { state, control }), expected);
    });
});

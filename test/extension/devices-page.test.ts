import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { devicesPage } from '../../src/extension/devices-page.ts';
import type { DevicesReport } from '../../src/protocol/devices.ts';

const node = { file: '/usr/bin/node', version: '20.19.0', environment: {} };
const report: DevicesReport = {
  engines: [
    { engine: 'onnx', device: 'cpu', available: true, selfTest: 'passed', reason: null, gflops: 153.4 },
    { engine: 'onnx', device: 'cuda', available: false, selfTest: 'skipped', reason: 'no library', gflops: null },
    { engine: 'tensorflow', device: 'wasm', available: true, selfTest: 'passed', reason: 'slower', gflops: 2.96 },
  ],
  chosen: { engine: 'onnx', device: 'cpu' },
  sandbox: { available: true, kind: 'bubblewrap', limits: ['memory', 'time'], reason: null },
};

describe('the devices page', () => {
  it('shows the chosen engine first, then the others with the reason', () => {
    assert.equal(
      devicesPage(report, node, []),
      `Selected: onnx on cpu

   Backend     Device  Available  Self-test  GFLOP/s
----------------------------------------------------
>  onnx        cpu     yes        passed     153
   onnx        cuda    no         skipped    -
   tensorflow  wasm    yes        passed     3.0

Not selected
  onnx on cuda: no library
  tensorflow on wasm: slower

Sandbox: bubblewrap (memory, time)
Node.js: 20.19.0, /usr/bin/node
`,
    );
  });

  it('reports that no engine works, and which Nodes were skipped', () => {
    const engines = report.engines.slice(1, 2);
    const sandbox = { available: false, kind: null, limits: [], reason: 'bubblewrap is not installed' };
    const text = devicesPage({ engines, chosen: null, sandbox }, node, [
      { node: { ...node, file: '/opt/node', version: '24.0.0' }, reason: 'no backend works in it' },
    ]);
    assert.match(text, /^Selected: none, because no backend works on this machine$/m);
    assert.doesNotMatch(text, /^>/m);
    assert.match(text, /^Sandbox: not available: bubblewrap is not installed$/m);
    assert.match(text, /^ {2}not used: 24\.0\.0, \/opt\/node: no backend works in it$/m);
  });
});

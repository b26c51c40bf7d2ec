import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chooseEngine, listDevices } from '../../src/engine/devices.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { isolatedSelfTest } from '../../src/engine/isolated-self-test.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { knownDevices } from '../../src/engine/open-engine.ts';
import { checkTraining, knownAnswer, trainingStep } from '../../src/engine/self-test.ts';
import { UsageError, UserError } from '../../src/platform/errors.ts';
import { evaluate, type Values } from '../graph/reference.ts';
import { assertClose } from '../graph/run-program.ts';

describe('self-test', () => {
  it('knows the correct answer', () => {
    const { program, feeds, state } = trainingStep();
    const names = [...program.outputs.keys(), ...program.updates.keys()];
    let leaves: Record<string, Values> = { ...feeds, ...Object.fromEntries(state) };
    for (const expected of knownAnswer) {
      const values = evaluate([...program.outputs.values(), ...program.updates.values()], leaves);
      leaves = { ...leaves, ...Object.fromEntries(names.map((name, index) => [name, values[index]!])) };
      for (const name of ['loss', 'gradNorm'] as const)
        assertClose(leaves[name]!, { shape: [], data: [expected[name]] }, name, 1e-6);
    }
  });

  it('detects an engine whose second step is off by one percent', async () => {
    const right = new OnnxEngine('cpu');
    let runs = 0;
    const wrong: Engine = {
      name: 'onnx',
      device: 'cpu',
      keepsQuantized: true,
      dynamicShapes: false,
      createState: (values) => right.createState(values),
      dispose: () => right.dispose(),
      compile: async (program) => {
        const executable = await right.compile(program);
        const run: typeof executable.run = async (feeds, state) => {
          const results = await executable.run(feeds, state);
          if (runs++ > 0) results.loss!.data[0]! *= 1.01;
          return results;
        };
        return { run, dispose: () => executable.dispose() };
      },
    };
    await assert.rejects(checkTraining(wrong), /training step 2 gives loss 1\.57\d+ instead of 1\.557928/);
    await checkTraining(right);
  });
});

describe('self-test in a separate process', () => {
  const device = knownDevices[0]!;
  const run = (script: string, seconds = 20) =>
    isolatedSelfTest(device, { launch: { command: process.execPath, arguments: ['-e', script] }, seconds });

  it('passes where the device works', async () => {
    const { selfTest, reason, gflops } = await isolatedSelfTest(device);
    assert.deepEqual([selfTest, reason], ['passed', null]);
    assert.ok(gflops! > 0.1 && gflops! < 1e6, `${gflops} GFLOP/s`);
  });
  it('survives a crash', async () => {
    const { selfTest, reason } = await run('process.abort()');
    assert.equal(selfTest, 'failed');
    assert.match(reason!, /was ended by SIG|ended with exit code/);
  });
  it('survives a hang', async () => {
    const { selfTest, reason } = await run('for (;;);', 0.5);
    assert.deepEqual([selfTest, reason], ['failed', 'the self-test did not finish within 0.5 s']);
  });
  it('ignores what libraries print', async () => {
    const report = { available: false, selfTest: 'skipped', reason: 'no card', gflops: null };
    assert.deepEqual(
      await run(`console.log("WARNING {"); console.log(JSON.stringify(${JSON.stringify(report)}))`),
      report,
    );
  });
  it('does not pass if the process crashes after its result', async () => {
    const { selfTest } = await run('console.log(\'{"selfTest":"passed"}\'); process.kill(process.pid, "SIGKILL")');
    assert.equal(selfTest, 'failed');
  });
  it('reports the exit code if there is no result', async () => {
    for (const script of [
      'process.exit(7)',
      'process.exitCode = 7; console.log("hello")',
      'process.exitCode = 7; console.log(1)',
    ])
      assert.equal((await run(script)).reason, 'the self-test ended with exit code 7 and no result');
  });
  it('reports that no process could be started', async () => {
    const launch = { command: path.join(tmpdir(), 'no-such-program'), arguments: [] };
    assert.match((await isolatedSelfTest(device, { launch })).reason!, /could not be started .*ENOENT/);
  });
});

describe('devices', () => {
  const homeBefore = process.env.UNMASK_HOME;
  let home: string;
  before(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'unmask-devices-'));
    process.env.UNMASK_HOME = home;
  });
  after(async () => {
    if (homeBefore === undefined) delete process.env.UNMASK_HOME;
    else process.env.UNMASK_HOME = homeBefore;
    await rm(home, { recursive: true });
  });
  const cacheFile = () => path.join(home, 'cache', 'devices.json');
  const pretendFast = async (
    name: string,
    change: (cache: { key: string; reports: Record<string, { measuredAt: number }> }) => void = () => undefined,
  ) => {
    const cache = JSON.parse(await readFile(cacheFile(), 'utf8'));
    cache.reports[name].gflops = 1e9;
    change(cache);
    await writeFile(cacheFile(), JSON.stringify(cache));
  };

  it('lists every known device, with its result or the reason', async () => {
    const { engines, chosen } = await listDevices();
    assert.deepEqual(
      engines.map(({ engine, device }) => ({ engine, device })),
      knownDevices,
    );
    for (const record of engines) {
      const name = `${record.engine} ${record.device}`;
      const isChosen = record.engine === chosen?.engine && record.device === chosen.device;
      assert.equal(record.gflops !== null, record.selfTest === 'passed', name);
      assert.equal(record.available, record.selfTest !== 'skipped', name);
      assert.equal(record.reason === null, isChosen, `${name}: ${record.reason}`);
    }
    const speedOf = (engine: string, device: string) =>
      engines.find((record) => record.engine === engine && record.device === device)!.gflops!;
    assert.ok(speedOf('onnx', 'cpu') > speedOf('tensorflow', 'cpu'));
    const best = Math.max(...engines.map(({ gflops }) => gflops ?? 0));
    assert.equal(speedOf(chosen!.engine, chosen!.device), best);
  });

  it('stores its measurements', async () => {
    await pretendFast('tensorflow wasm');
    const engine = await chooseEngine();
    assert.deepEqual([engine.name, engine.device], ['tensorflow', 'wasm']);
  });

  it('measures again after a week, or on another machine', async () => {
    await pretendFast('tensorflow cpu', ({ reports }) => {
      reports['tensorflow cpu']!.measuredAt -= 8 * 24 * 3600 * 1000;
    });
    assert.equal((await chooseEngine({ engine: 'tensorflow' })).device, 'wasm');
    await pretendFast('tensorflow cpu', (cache) => {
      cache.key += ' of another';
    });
    assert.equal((await chooseEngine({ engine: 'tensorflow' })).device, 'wasm');
  });

  it('ignores a broken cache file', async () => {
    await writeFile(cacheFile(), '{"key": 3, ');
    assert.equal((await chooseEngine({ engine: 'tensorflow' })).device, 'wasm');
    assert.ok(JSON.parse(await readFile(cacheFile(), 'utf8')).reports['tensorflow wasm'].gflops < 1e6);
  });

  it('rejects an unknown engine or device', async () => {
    const known = 'cpu, webgpu, cuda, dml, coreml';
    await assert.rejects(
      chooseEngine({ engine: 'torch' }),
      new UsageError('There is no engine torch; choose one of auto, onnx, tensorflow.'),
    );
    await assert.rejects(
      chooseEngine({ engine: 'onnx', device: 'wasm' }),
      new UsageError(`Engine onnx has no device wasm; choose one of auto, ${known}.`),
    );
    await assert.rejects(
      chooseEngine({ device: 'tpu' }),
      new UsageError(`There is no device tpu; choose one of auto, ${known}, gpu, node, wasm.`),
    );
  });

  it('reports why a device does not work on this machine', async () => {
    const absent = process.platform === 'win32' ? 'coreml' : 'dml';
    await assert.rejects(chooseEngine({ engine: 'onnx', device: absent }), (error: Error) => {
      assert.ok(error instanceof UserError && !(error instanceof UsageError));
      assert.match(
        error.message,
        new RegExp(`onnx ${absent}: onnxruntime-node has no ${absent} build for ${process.platform}`),
      );
      return true;
    });
  });
});

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checkDigests, recordDigests } from '../../../src/platform/folder-digests.ts';
import { readControl } from '../../../src/runs/control.ts';
import { createRunDirectory, readConfiguration } from '../../../src/runs/directory.ts';
import { runFile } from '../../../src/runs/layout.ts';
import { readEvents, readNewEvents, readSamples, readStatus, summarizeRun } from '../../../src/runs/reader.ts';
import { newRun } from '../../runs/example.ts';
import type { OutsideParser } from './outside-parser.ts';

/** Parsers of the files of run directories. */
export async function runParsers(folder: string): Promise<OutsideParser[]> {
  await mkdir(folder, { recursive: true });
  const dir = await createRunDirectory(folder, newRun);
  const files = runFile(dir);
  const time = new Date().toISOString();
  const status = { state: 'running', step: 1, steps: 3, eta: 4, heartbeat: time };
  const sample = {
    ...{ prompt: 'a', completion: 'b', rewards: { rules: 1, total: 1 }, advantage: 0, policyVersion: 1, seed: 1 },
    ...{ tokens: [1, 2], revealedAt: [0, 1], confidence: [0.5, 1] },
  };
  const digests = path.join(folder, 'digested');
  await mkdir(digests);
  await writeFile(path.join(digests, 'state.json'), '{}');
  await recordDigests(digests);
  await mkdir(files.samples);
  await writeFile(files.status, JSON.stringify(status));
  const inRun = (name: string, file: string, example: unknown, read: () => Promise<unknown>): OutsideParser => {
    const whole = Buffer.from(typeof example === 'string' ? example : JSON.stringify(example));
    return {
      name: `${name} of a run`,
      examples: [whole],
      async parse(input) {
        await writeFile(file, input);
        try {
          return await Promise.all([read(), summarizeRun(dir)]);
        } finally {
          await writeFile(file, whole);
        }
      },
    };
  };
  const event = (step: number) => JSON.stringify({ step, time: 1, loss: 0.5, reward: 1, reward_std: 0 });
  return [
    inRun('run.json', files.configuration, await readFile(files.configuration, 'utf8'), () => readConfiguration(dir)),
    inRun('status.json', files.status, status, () => readStatus(dir)),
    inRun('heartbeat.json', files.heartbeat, { time, pid: 1, busySince: null, cores: 1 }, () => readStatus(dir)),
    inRun('control.json', files.control, { want: 'stop', id: 'x' }, () => readControl(dir)),
    inRun('lock.json', files.lock, { pid: 1, host: 'h', startedAt: time, token: 't' }, () => readStatus(dir)),
    inRun('events.jsonl', files.events, `${event(1)}\n${event(2)}\n`, () =>
      Promise.all([readEvents(dir), readNewEvents(dir, null)]),
    ),
    inRun('samples', path.join(files.samples, 'step-000001.jsonl'), `${JSON.stringify(sample)}\n`, () =>
      readSamples(dir, 1),
    ),
    {
      name: 'digests of a checkpoint',
      examples: [await readFile(path.join(digests, 'digests.json'))],
      async parse(input) {
        await writeFile(path.join(digests, 'digests.json'), input);
        return checkDigests(digests);
      },
    },
  ];
}

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { latestCheckpoint } from '../../src/runs/checkpoints.ts';
import { readEvents, readSamples, sampleSteps } from '../../src/runs/reader.ts';

/** Everything that a run wrote about its trajectory: events without times and measures of the process, samples, and the last weights' bytes. */
export async function trajectoryOf(dir: string) {
  const events = (await readEvents(dir)).map((event) =>
    JSON.parse(JSON.stringify(event), (name, value) =>
      name === 'time' || name === 'seconds' || name === 'tokens_per_second' || /^(time|system)\//.test(name)
        ? undefined
        : value,
    ),
  );
  const samples = [];
  for (const step of await sampleSteps(dir)) samples.push({ step, rows: await readSamples(dir, step) });
  const { step, dir: checkpoint } = (await latestCheckpoint(dir))!;
  const file = (name: string) => readFile(path.join(checkpoint, name));
  return {
    events,
    samples,
    step,
    weights: await file('model.safetensors').catch(() => file('adapter_model.safetensors')),
    optimizer: await file('optimizer.safetensors'),
    // The state of the method, if it has any.
    method: await file('method.safetensors').catch(() => null),
  };
}

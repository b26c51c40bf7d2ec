import { cpus } from 'node:os';
import {
  crossEntropy,
  reference,
  referenceBatch,
  referenceModel,
  referenceOptimizer,
} from '../../../bench/reference-model.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { Trainer, trainingState } from '../../training/trainer.ts';
import { type AddCommand, type EngineOptions, engineOf, withEngine } from '../command.ts';

export function addBench(add: AddCommand): void {
  withEngine(
    add<EngineOptions>('bench', 'Measure training, decoding and matrix products on this machine', async (options) => {
      const engine = await engineOf(options);
      const checkpoint = referenceModel();
      const model = await LanguageModel.load(engine, checkpoint, trainingState(checkpoint.config));
      const trainer = new Trainer(model, crossEntropy, referenceOptimizer);
      const batch = referenceBatch();
      const times: number[] = [];
      for (let run = 0; run < 6; run++) {
        const start = performance.now();
        await trainer.step([batch]);
        if (run > 0) times.push((performance.now() - start) / 1000);
      }
      times.sort((a, b) => a - b);
      const value = (reference.batch * reference.length) / (times[times.length >> 1] as number);
      const machine = { cores: cpus().length, node: process.versions.node, engine: engine.name, device: engine.device };
      const results = [{ name: 'train-step', value, unit: 'tokens/s' }];
      return {
        document: { machine, results },
        lines: results.map(({ name, value, unit }) => `${name} ${value.toFixed(0)} ${unit}`),
      };
    }),
  );
}

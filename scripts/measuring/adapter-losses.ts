// Compares full training with adapters on a base of each precision: trains on the same new, labelled Sudokus, and prints
// the loss before and after.
// node --import tsx scripts/measuring/adapter-losses.ts [steps]
import { z } from 'zod';
import { bundledPuzzleModel } from '../../src/catalogue/find-model.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { maskToken } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { readSettings } from '../../src/platform/settings.ts';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';
import { type Example, maskedDiffusionBatch, maskedDiffusionLoss } from '../../src/training/masked-diffusion-loss.ts';
import { optimizerOf, optimizerSettings } from '../../src/training/optimizer-settings.ts';
import { labelledSudoku, labelledSudokus } from '../../src/training/puzzle-recipe.ts';
import { Trainer, trainingState } from '../../src/training/trainer.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { startingPoint } from '../../src/tuning/starting-point.ts';

const steps = Number(process.argv[2] ?? 200);
const ways = [
  { what: 'all weights', rate: 3e-4, pairs: [] },
  ...['f32', 'int8', 'int4'].map((precision) => ({
    what: `adapter of rank 16, base in ${precision}`,
    rate: 3e-3,
    pairs: ['adapter=lora', 'lora_r=16', 'lora_alpha=16', `base_precision=${precision}`],
  })),
];
const resolved = await resolveModel(bundledPuzzleModel);
const engine = new OnnxEngine('cpu', 1);

console.log('| what is trained | numbers trained | learning rate | loss before | after |\n|---|---|---|---|---|');
for (const { what, rate, pairs } of ways) {
  const checkpoint = await startingPoint(engine, resolved, {
    seed: 0,
    settings: await readSettings(tuningSettings, { pairs }),
  });
  const { config, adapter, tokenizer } = checkpoint;
  const model = await LanguageModel.load(engine, checkpoint, trainingState(config, adapter));
  const optimizer = z.object(optimizerSettings).parse({ learning_rate: rate, warmup_steps: 20, max_grad_norm: 1 });
  const trainer = new Trainer(model, maskedDiffusionLoss, optimizerOf(optimizer, model.trained.keys(), steps));
  const batchOf = (rows: readonly unknown[], random: Random) => {
    const examples = rows.map((row): Example => {
      const [prompt, solution] = [sudoku4x4.prompt(row as never, 'plain'), sudoku4x4.solution(row as never, 'plain')];
      const tokens = [...tokenizer.encode(prompt), ...tokenizer.encode(solution as string)];
      return { tokens, canvases: [{ start: tokenizer.encode(prompt).length, end: tokens.length }] };
    });
    return maskedDiffusionBatch(examples, { mask: maskToken(config), pad: config.pad_token_id }, 'exact-count', random);
  };
  const heldOut = batchOf(sudoku4x4.heldOut!('validation', 512), new Random(0, 'held-out masks'));
  const { loss: before } = await trainer.evaluate(heldOut);
  for (let step = 1; step <= steps; step++) {
    const rows = Array.from({ length: 64 }, (_, index) => labelledSudoku(labelledSudokus + step * 64 + index));
    await trainer.step([batchOf(rows, new Random(0, 'masks', step))]);
  }
  const { loss: after } = await trainer.evaluate(heldOut);
  const numbers = [...model.trained.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  console.log(
    `| ${what} | ${numbers.toLocaleString('en-US')} | ${rate} | ${before.toFixed(3)} | ${after.toFixed(3)} |`,
  );
  await trainer.dispose();
  await model.dispose();
}

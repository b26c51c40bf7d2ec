import { resolveModel } from '../../catalogue/resolve-model.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { assertDenoises } from '../../model/config.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { readJson } from '../../platform/files.ts';
import { lossOfCase, parseLossCase } from '../../tuning/loss-case.ts';
import { objectiveByName } from '../../tuning/objectives/registry.ts';
import { type AddCommand, type EngineOptions, engineOf, withEngine } from '../command.ts';

interface LossOptions extends EngineOptions {
  readonly objective: string;
  readonly model: string;
  readonly case: string;
}

export function addLoss(add: AddCommand): void {
  withEngine(
    add<LossOptions>('loss', 'Print the loss of a hand-written case, to check an objective', async (options) => {
      const objective = objectiveByName(options.objective);
      const checkpoint = await openCheckpoint(await resolveModel(options.model));
      assertDenoises(checkpoint.config);
      const lossCase = parseLossCase(await readJson(options.case), options.case, checkpoint.config);
      const model = await LanguageModel.load(await engineOf(options), checkpoint);
      const result = await lossOfCase(model, objective, lossCase);
      return {
        document: result,
        lines: [
          `loss ${result.loss}`,
          ...result.logp.map((logp, j) => `completion ${j}: log p ${logp}, advantage ${result.advantages[j]}`),
        ],
      };
    })
      .requiredOption('--objective <name>', 'policy-gradient method')
      .requiredOption('--model <model>', 'model: a name, a checkpoint or adapter folder, or a run directory')
      .requiredOption('--case <file>', 'JSON file with prompt, completions, rewards, masks and settings'),
  );
}

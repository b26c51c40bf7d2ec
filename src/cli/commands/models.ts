import { listModels } from '../../runtime/list-models.ts';
import type { AddCommand } from '../command.ts';

export function addModels(add: AddCommand): void {
  add('models', 'List the models that can be used: bundled, installed, and of runs', async () => {
    const models = await listModels();
    return {
      document: { models },
      lines: models.map(
        ({ name, kind, parameters }) =>
          `${name.padEnd(60)} ${kind.padEnd(10)} ${((parameters ?? 0) / 1e6).toFixed(1)} million parameters`,
      ),
    };
  });
}

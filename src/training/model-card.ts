import { sizeOf } from '../graph/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import { weightShapes } from '../model/transformer.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import type { PretrainingRequest } from './pretrain.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import type { TrainingProgress } from './training-job.ts';

interface CardContents {
  readonly recipe: Recipe;
  readonly curriculum: Curriculum;
  readonly request: PretrainingRequest;
  readonly model: ModelConfig;
  readonly done: TrainingProgress;
  readonly evaluation: Evaluation;
  readonly configuration: RunConfiguration;
}

/** A model's card: architecture, training data, training time, scores, and the command that reproduces it. */
export function modelCard({
  recipe,
  curriculum,
  request,
  model,
  done,
  evaluation,
  configuration,
}: CardContents): string {
  const parameters = [...weightShapes(model).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
  const autoregressive = model.attention === 'causal';
  const { device, steps, stepsChanged = [] } = configuration;
  const from = request.from === null ? '' : ` --from ${request.from}`;
  const command = `unmask pretrain --recipe ${recipe.name}${from} --model ${recipe.modelName}`;
  const begun =
    request.from === null
      ? ''
      : `\nIt was initialised with the weights of ${request.from}, whose own training is not counted here.\n`;
  const first = stepsChanged[0]?.from ?? steps;
  const changes = stepsChanged.map(
    ({ at, to }) => `\n\nstopped after step ${at}, and then\n\n    unmask pretrain --resume RUN --steps ${to}`,
  );
  const settings = Object.entries(request.settings).map(([name, value]) => `| \`${name}\` | ${value} |`);
  const metrics = Object.entries(evaluation.metrics).map(
    ([name, { value, low, high }]) => `| ${name} | ${value.toFixed(3)} | ${low.toFixed(3)} to ${high.toFixed(3)} |`,
  );
  return `---
license: mit
library_name: unmask
tags: [${autoregressive ? 'autoregressive' : 'masked-diffusion'}]
---

# ${recipe.description}

${autoregressive ? 'An autoregressive language model: a causal' : 'A masked diffusion language model: a bidirectional'} transformer with ${model.num_hidden_layers} layers, width ${model.hidden_size},
${model.num_attention_heads} heads, ${parameters.toLocaleString('en-US')} parameters and a vocabulary of ${model.vocab_size}, in f32.

## Data

${curriculum.data.join('\n')}

## Training

${done.step} steps, ${done.num_tokens.toLocaleString('en-US')} tokens, ${(done.seconds / 60).toFixed(1)} minutes on ${device.engine}/${device.device}, seed ${request.seed}. Made by

    ${command} --steps ${first} --seed ${request.seed}${changes.join('')}
${begun}
| setting | value |
|---|---|
${settings.join('\n')}

## Scores

${curriculum.answers ?? 'Greedy answers'} to ${evaluation.n} ${evaluation.split} problems of each kind that were not used in training, with 95 % intervals.

| metric | value | interval |
|---|---|---|
${metrics.join('\n')}
`;
}

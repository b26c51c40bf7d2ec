import { sizeOf } from '../graph/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import { weightShapes } from '../model/transformer.ts';
import type { PretrainingRequest } from './pretrain.ts';
import type { FinishedTraining } from './publishing-run.ts';
import type { Curriculum, Recipe } from './recipe.ts';

interface CardContents extends FinishedTraining {
  readonly recipe: Recipe;
  readonly curriculum: Curriculum;
  readonly request: PretrainingRequest;
  readonly model: ModelConfig;
}

/** A model's card: architecture, data, the commands that train it again, settings and scores. */
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
  const vocabulary = model.vocab_size * model.hidden_size * (model.tie_word_embeddings ? 1 : 2);
  const count = (parameters: number) => parameters.toLocaleString('en-US');
  const autoregressive = model.attention === 'causal';
  const { device, steps, stepsChanged = [] } = configuration;
  const from = request.from === null ? '' : ` --from ${request.from}`;
  const command = `unmask pretrain --recipe ${recipe.name}${from} --model ${recipe.modelName}`;
  const start =
    request.from === null
      ? 'Training began with random weights.'
      : `Training began with the weights of ${request.from}. The numbers above do not include the training of those weights.`;
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
${model.num_attention_heads} heads and a vocabulary of ${count(model.vocab_size)}, in f32. It has ${count(parameters)} parameters. Without the vocabulary's
embeddings, which the name of the preset \`${request.settings.preset}\` does not count, it has ${count(parameters - vocabulary)}.

## Data

${curriculum.data.join('\n')}

## Training

${done.step} steps, ${count(done.num_tokens)} tokens, ${(done.seconds / 60).toFixed(1)} minutes on ${device.engine}/${device.device}, seed ${request.seed}. Made by

    ${command} --steps ${first} --seed ${request.seed}${changes.join('')}

${start}

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

/**
 * A world small enough for enumeration: four letters, completions of a few letters, and a transformer of a few
 * hundred weights. Every partly masked canvas can be listed, so likelihoods and gradients are exact sums.
 */
import type { Engine } from '../../engine/engine.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { characterSpecials, characterTokenizer, Tokenizer } from '../../model/tokenizer.ts';
import { initialWeights } from '../../model/transformer.ts';
import { Random } from '../../platform/random.ts';
import { trainingState } from '../../training/trainer.ts';

export const letters = 'abcd';
const specials = Object.values(characterSpecials).length;

/** The letters' token ids. */
export const letterIds: readonly number[] = [...letters].map((_, index) => specials + index);

/** A random model of the world. Special tokens have negligible probability. */
export async function tinyWorld(engine: Engine, seed: number): Promise<LanguageModel> {
  const config = {
    model_type: 'unmask' as const,
    vocab_size: specials + letters.length,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_dim: 4,
    max_position_embeddings: 32,
    rms_norm_eps: 1e-6,
    rope_theta: 10,
    attention_bias: false,
    qk_norm: false,
    tie_word_embeddings: false,
    logit_shift: false,
    attention: 'full' as const,
    mask_token_id: characterSpecials.mask,
    eos_token_id: characterSpecials.eos,
    pad_token_id: characterSpecials.pad,
    initializer_range: 0.8,
  };
  const weights = initialWeights(config, new Random(seed, 'tiny world'));
  // The first coordinate of every hidden state is large and positive and no layer changes it; the head subtracts it
  // from the logits of special tokens.
  for (const [name, { shape, data }] of weights)
    if (/(o_proj|down_proj)\.weight$/.test(name)) data.fill(0, 0, shape[1]);
  const [embedding, head] = ['model.embed_tokens.weight', 'lm_head.weight'].map((name) => weights.get(name)!.data);
  for (let token = 0; token < config.vocab_size; token++) {
    const first = token * config.hidden_size;
    embedding![first] = 2.5;
    head![first] = 0;
    if (token < specials) head!.fill(0, first, first + config.hidden_size)[first] = -40;
  }
  const generation = { prompt_format: 'plain' as const, block_length: 8, tokens_per_step: 1 };
  const tokenizer = new Tokenizer(characterTokenizer(letters));
  return LanguageModel.load(engine, { config, weights, tokenizer, generation }, trainingState(config));
}

/** Log-probabilities of the letters, [positions][letter], at the masked positions of a canvas after a prompt. */
export type Predict = (canvas: readonly number[]) => readonly (readonly number[])[];

/**
 * Predictions for every canvas of `length` positions, each a letter (0 to 3) or masked (-1), after a prompt. All
 * 5^length of them are computed at once.
 */
export async function predictEverything(model: LanguageModel, prompt: string, length: number): Promise<Predict> {
  const known = new Map<string, number[][]>();
  const canvases = everyCanvas(length);
  const promptTokens = model.tokenizer.encode(prompt);
  const logits = await model.logits(
    canvases.map((canvas) => ({
      tokens: canvasTokens(promptTokens, canvas),
      positions: canvas.map((_, position) => promptTokens.length + position),
      canvas: promptTokens.length,
    })),
  );
  canvases.forEach((canvas, index) => {
    const rows = canvas.map((_, position) => {
      const letterLogits = letterIds.map((id) => logits[index]![position * model.config.vocab_size + id] as number);
      const peak = Math.max(...letterLogits);
      const logSum = peak + Math.log(letterLogits.reduce((sum, logit) => sum + Math.exp(logit - peak), 0));
      return letterLogits.map((logit) => logit - logSum);
    });
    known.set(canvas.join(), rows);
  });
  return (canvas) => known.get(canvas.join()) as number[][];
}

/** All combinations of letters and masks at `length` positions. */
export function everyCanvas(length: number): number[][] {
  if (length === 0) return [[]];
  return everyCanvas(length - 1).flatMap((rest) => [-1, 0, 1, 2, 3].map((letter) => [...rest, letter]));
}

/** All completions of `length` letters. */
export function everyText(length: number): number[][] {
  return everyCanvas(length).filter((canvas) => !canvas.includes(-1));
}

/** Prompt and canvas as token ids. */
export function canvasTokens(prompt: readonly number[], canvas: readonly number[]): Int32Array {
  return Int32Array.from([
    ...prompt,
    ...canvas.map((letter) => (letter === -1 ? characterSpecials.mask : (letterIds[letter] as number))),
  ]);
}

/**
 * The enumerated policy gradient of the tiny world: the gradient of E[r(x)], where x is sampled from the model one letter
 * at a time, in random order. For canvases z with m masked positions, let V(z) be the expected reward and R(z) the
 * probability of passing through z. Then
 *
 *     V(z) = mean over masked i of sum_v pi(v | z)_i V(z with v at i),   R(all masked) = 1
 *     grad J = sum over z, i, v of R(z) / m pi(v | z)_i V(z with v at i) grad log pi(v | z)_i
 */
import type { LanguageModel } from '../../model/language-model.ts';
import type { Batch } from '../../training/trainer.ts';
import { weightedScores } from '../likelihoods/score-losses.ts';
import { sequenceBatch } from '../likelihoods/scored-sequences.ts';
import { canvasTokens, everyCanvas, letterIds, type Predict } from './world.ts';

export type RewardOf = (text: readonly number[]) => number;

/** The expected reward of every canvas, and the probability of passing through it. */
export function enumerate(predict: Predict, length: number, reward: RewardOf) {
  const value = new Map<string, number>();
  const reach = new Map<string, number>([[new Array(length).fill(-1).join(), 1]]);
  const canvases = everyCanvas(length).sort((a, b) => maskedPositions(a).length - maskedPositions(b).length);
  for (const canvas of canvases) value.set(canvas.join(), expected(canvas));
  for (const canvas of canvases.toReversed()) {
    const reached = reach.get(canvas.join()) ?? 0;
    for (const { next, chance } of moves(canvas))
      reach.set(next.join(), (reach.get(next.join()) ?? 0) + reached * chance);
  }
  return { value, reach, moves, canvases };

  function expected(canvas: readonly number[]): number {
    if (!canvas.includes(-1)) return reward(canvas);
    return moves(canvas).reduce((sum, { next, chance }) => sum + chance * (value.get(next.join()) as number), 0);
  }

  /** The possible steps from a canvas. */
  function moves(canvas: readonly number[]) {
    const positions = maskedPositions(canvas);
    if (positions.length === 0) return [];
    const predicted = predict(canvas);
    return positions.flatMap((position) =>
      letterIds.map((_, letter) => ({
        position,
        letter,
        next: canvas.map((current, index) => (index === position ? letter : current)),
        chance: Math.exp(predicted[position]![letter] as number) / positions.length,
      })),
    );
  }
}

/** A batch whose loss has minus the policy gradient as its gradient. */
export function policyGradientBatch(
  model: LanguageModel,
  prompt: string,
  predict: Predict,
  length: number,
  reward: RewardOf,
): Batch {
  const { value, reach, moves, canvases } = enumerate(predict, length, reward);
  const promptTokens = model.tokenizer.encode(prompt);
  // One sequence per canvas and letter, with that letter as the target at every masked position.
  const sequences = canvases
    .filter((canvas) => canvas.includes(-1))
    .flatMap((canvas) => {
      const steps = moves(canvas);
      return letterIds.map((id, letter) => {
        const weights = new Float32Array(length);
        for (const { position, letter: revealed, next, chance } of steps)
          if (revealed === letter)
            weights[position] = (reach.get(canvas.join()) as number) * chance * (value.get(next.join()) as number);
        const tokens = canvasTokens(promptTokens, canvas);
        return [{ tokens, promptLength: promptTokens.length, targets: new Int32Array(length).fill(id), weights }];
      });
    });
  const batch = sequenceBatch(sequences, model.config.pad_token_id);
  const weights = { shape: [sequences.length], data: new Float32Array(sequences.length).fill(-1) };
  return { ...batch, extra: { ...batch.extra, weights }, loss: weightedScores };
}

const maskedPositions = (canvas: readonly number[]): number[] =>
  canvas.flatMap((letter, position) => (letter === -1 ? [position] : []));

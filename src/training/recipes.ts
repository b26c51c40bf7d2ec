import { UsageError } from '../platform/errors.ts';
import { autoregressiveCodeRecipe } from './code/autoregressive-recipe.ts';
import { codeRecipe } from './code/code-recipe.ts';
import { conversionRecipe } from './conversion/settings.ts';
import { programRecipe } from './program-recipe.ts';
import { puzzleRecipe } from './puzzle-recipe.ts';
import type { Recipe } from './recipe.ts';

export const recipes: readonly Recipe[] = [puzzleRecipe, programRecipe, codeRecipe, autoregressiveCodeRecipe];

/** The recipe with a name. Throws a `UsageError` that lists the known ones. */
export function recipeByName(name: string): Recipe {
  const recipe = recipes.find((candidate) => candidate.name === name);
  if (!recipe)
    throw new UsageError(
      `Unknown recipe ${name}; the recipes are ${[...recipes.map((known) => known.name), conversionRecipe].join(', ')}.`,
    );
  return recipe;
}

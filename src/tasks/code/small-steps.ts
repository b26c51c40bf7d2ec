/**
 * Hyper-parameters of tuning on code: its completions are long and each is run, so that a step with the papers' settings,
 * 96 completions in four updates, takes minutes on a processor. These write a third of them and make a sixth of
 * the passes; a few steps at a time are kept.
 */
export const smallSteps = {
  prompts_per_step: 4,
  group_size: 8,
  inner_updates: 2,
  order: 'threshold',
  evaluate_every: 10,
  checkpoint_every: 5,
} as const;

/**
 * Hyper-parameters for tuning on code. Completions are long and each is tested, so a step with the papers' settings (96
 * completions, four updates) takes minutes on a CPU. These settings use a third of the completions and a sixth of the
 * passes, and save a checkpoint every few steps.
 */
export const smallSteps = {
  prompts_per_step: 4,
  group_size: 8,
  inner_updates: 2,
  order: 'threshold',
  evaluate_every: 10,
  checkpoint_every: 5,
} as const;

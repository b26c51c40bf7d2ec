/** A masked diffusion language model that others published on the Hugging Face Hub. */
export interface PublishedModel {
  readonly id: string;
  /** Size and licence as stated by its authors. The values of the hub are shown before the download. */
  readonly facts: string;
  readonly about: string;
}

/** Suggested models. Whether one can be loaded is checked before its weights are downloaded. */
export const publishedModels: readonly PublishedModel[] = [
  {
    id: 'fredzzp/open-dcoder-0.5B',
    facts: '0.5 billion parameters · Apache-2.0',
    about: 'Open-dCoder: Qwen2.5-Coder made bidirectional, for code',
  },
  {
    id: 'dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1',
    facts: '0.5 billion parameters · Apache-2.0',
    about: 'Qwen2.5-Coder as a masked diffusion model, for code',
  },
  {
    id: 'dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-bd3lm-v0.1',
    facts: '0.5 billion parameters · Apache-2.0',
    about: 'Qwen2.5-Coder as a block diffusion model, for code',
  },
  {
    id: 'dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1',
    facts: '0.6 billion parameters · Apache-2.0',
    about: 'Qwen3 as a masked diffusion model, for text and reasoning',
  },
  {
    id: 'Dream-org/Dream-Coder-v0-Instruct-7B',
    facts: '7 billion parameters · Apache-2.0',
    about: 'Dream-Coder, for code',
  },
  {
    id: 'apple/DiffuCoder-7B-cpGRPO',
    facts: '7 billion parameters · Apple licence',
    about: 'DiffuCoder, tuned with coupled GRPO (arXiv 2506.20639), for code',
  },
  {
    id: 'GSAI-ML/LLaDA-8B-Instruct',
    facts: '8 billion parameters · MIT',
    about: 'LLaDA (arXiv 2502.09992), for text and reasoning',
  },
];

/** A masked diffusion language model that others published on the Hugging Face hub. */
export interface PublishedModel {
  readonly id: string;
  /** Its size and licence as its authors state them; what the hub says stands in the question before the download. */
  readonly facts: string;
  readonly about: string;
}

/** Models that are worth a try; whether one can be loaded is found out before its weights are fetched. */
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
    about: 'The same with blocks that see those before them',
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
    facts: '7 billion parameters · licence of Apple’s own',
    about: 'DiffuCoder, tuned with coupled GRPO (arXiv 2506.20639), for code',
  },
  {
    id: 'GSAI-ML/LLaDA-8B-Instruct',
    facts: '8 billion parameters · MIT',
    about: 'LLaDA (arXiv 2502.09992), for text and reasoning',
  },
];

/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import java.util.List;

/**
 * Blocks of the prompt's UTF-8 bytes. Needs for a moment a copy of the prompt's longest text as bytes; prompts of token ids
 * are taken as they are, four bytes each, and are exact.
 */
final class BytesEncoder implements PromptEncoder {
    /** Bytes of text taken for one token; what a model's tokens really hold is learned from its answers. */
    static final int BYTES_PER_TOKEN = 4;

    /** Tokens in a block when nothing else is said. */
    static final int TOKENS_PER_BLOCK = 64;

    private static final int LARGEST_BLOCK = 4_096;

    private final SessionMemo memo = new SessionMemo();
    private final int tokensPerBlock;
    private final int blockBytes;

    BytesEncoder(int tokensPerBlock) {
        if (tokensPerBlock < 1 || tokensPerBlock > LARGEST_BLOCK) {
            throw new IllegalArgumentException(
                    "tokensPerBlock must be 1 to " + LARGEST_BLOCK + ", got " + tokensPerBlock);
        }
        this.tokensPerBlock = tokensPerBlock;
        this.blockBytes = BYTES_PER_TOKEN * tokensPerBlock;
    }

    @Override
    public PromptBlocks encode(CompletionRequest request, CallOptions options) {
        long key = PromptBytes.key(request);
        if (request.prompt() instanceof Prompt.Chat chat) {
            return options.session().isPresent()
                    ? conversation(
                            new SessionMemo.Key(
                                    options.tenant().orElse(""),
                                    options.session().get()),
                            key,
                            request,
                            chat)
                    : blocks(begin(key, request, chat.messages()));
        }
        BlockChain chain = new BlockChain(blockBytes, key);
        if (request.prompt() instanceof Prompt.Tokens tokens) {
            tokens.sequences().forEach(ids -> chain.add(PromptBytes.bytes(ids)));
            return new PromptBlocks(chain.hashes(), tokensPerBlock, tokens(chain), true);
        }
        new PromptBytes(chain).prompt(request.prompt());
        return blocks(chain);
    }

    private PromptBlocks conversation(SessionMemo.Key session, long key, CompletionRequest request, Prompt.Chat chat) {
        List<Message> messages = chat.messages();
        SessionMemo.Turn last = memo.lastTurn(session);
        BlockChain chain;
        if (last != null && last.isBeginningOf(key, request.tools(), messages)) {
            chain = last.resume(blockBytes);
            PromptBytes bytes = new PromptBytes(chain);
            messages.subList(last.messages().size(), messages.size()).forEach(bytes::message);
        } else {
            chain = begin(key, request, messages);
        }
        memo.remember(session, new SessionMemo.Turn(key, request.tools(), messages, chain));
        return blocks(chain);
    }

    private BlockChain begin(long key, CompletionRequest request, List<Message> messages) {
        BlockChain chain = new BlockChain(blockBytes, key);
        PromptBytes bytes = new PromptBytes(chain);
        bytes.tools(request.tools());
        messages.forEach(bytes::message);
        return chain;
    }

    private PromptBlocks blocks(BlockChain chain) {
        return new PromptBlocks(chain.hashes(), tokensPerBlock, tokens(chain), false);
    }

    private static int tokens(BlockChain chain) {
        return (int) Math.min(Integer.MAX_VALUE, (chain.bytes() + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
    }

    @Override
    public String toString() {
        return "bytes(" + tokensPerBlock + ")";
    }
}

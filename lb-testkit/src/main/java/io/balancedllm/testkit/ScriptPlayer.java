/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Plays one {@link MockResponse} onto a socket. */
final class ScriptPlayer {
    /** What is to become of the connection. */
    enum Outcome {
        KEEP,
        CLOSE,
        RESET
    }

    /** Where a script waits: ends early, by exception, when there is nobody left to wait for. */
    interface Waiting {
        void pause(Duration duration, BooleanSupplier clientGone) throws ClientGoneException;

        void stall(ServedRequest request, BooleanSupplier clientGone) throws ClientGoneException;
    }

    /** The client has gone, or the server is closing: the script ends here. */
    static final class ClientGoneException extends IOException {
        private static final long serialVersionUID = 1L;

        ClientGoneException() {
            super("nobody is there to answer");
        }
    }

    private final MockResponse response;
    private final ServedRequest request;
    private final OutputStream out;
    private final Waiting waiting;
    private final BooleanSupplier clientGone;
    private long offset;

    ScriptPlayer(
            MockResponse response,
            ServedRequest request,
            OutputStream out,
            Waiting waiting,
            BooleanSupplier clientGone) {
        this.response = response;
        this.request = request;
        this.out = out;
        this.waiting = waiting;
        this.clientGone = clientGone;
    }

    /** Plays the script; {@code close} says that the client wants the connection closed after it. */
    Outcome play(boolean close) throws IOException {
        boolean keep = !close
                && switch (response.framing()) {
                    case LENGTH, CHUNKED -> true;
                    case UNTIL_CLOSE, NONE -> false;
                };
        for (BodyStep step : response.beforeHead()) {
            perform(step);
        }
        if (response.framing() != MockResponse.Framing.NONE) {
            send(head(keep));
        }
        List<BodyStep> steps = response.steps();
        for (int i = 0; i < steps.size(); i++) {
            BodyStep step = steps.get(i);
            if (step instanceof BodyStep.HangUp || step instanceof BodyStep.Reset) {
                request.ended(false);
                return step instanceof BodyStep.Reset ? Outcome.RESET : Outcome.CLOSE;
            }
            if (i == steps.size() - 1 && step instanceof BodyStep.Write) {
                request.lastWriteBegins();
            }
            perform(step);
        }
        request.lastWriteBegins();
        if (response.framing() == MockResponse.Framing.CHUNKED) {
            keep &= sendLastChunk();
        }
        request.ended(true);
        return keep ? Outcome.KEEP : Outcome.CLOSE;
    }

    /** Many a client leaves behind the last event, without waiting for this: that is no cancel. */
    private boolean sendLastChunk() {
        try {
            send("0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private void perform(BodyStep step) throws IOException {
        if (step instanceof BodyStep.Write write) {
            sendBody(write.bytes);
        } else if (step instanceof BodyStep.Pause pause) {
            waiting.pause(pause.duration(), clientGone);
        } else if (step instanceof BodyStep.Stall) {
            waiting.stall(request, clientGone);
        } else if (step instanceof BodyStep.Mark) {
            request.mark();
        } else if (step instanceof BodyStep.Endless endless) {
            while (true) {
                if (!endless.pause.isZero()) {
                    waiting.pause(endless.pause, clientGone);
                }
                sendBody(endless.event.bytes);
            }
        }
    }

    private void sendBody(byte[] bytes) throws IOException {
        long end = offset + bytes.length;
        int from = 0;
        while (offset < end) {
            int length = (int) (response.writeEnd(offset, end) - offset);
            send(framed(bytes, from, length));
            from += length;
            offset += length;
        }
    }

    private byte[] framed(byte[] bytes, int from, int length) {
        ByteArrayOutputStream framed = new ByteArrayOutputStream(length + 16);
        boolean chunked = response.framing() == MockResponse.Framing.CHUNKED;
        if (chunked) {
            framed.writeBytes((Integer.toHexString(length) + "\r\n").getBytes(StandardCharsets.US_ASCII));
        }
        framed.write(bytes, from, length);
        if (chunked) {
            framed.writeBytes("\r\n".getBytes(StandardCharsets.US_ASCII));
        }
        return framed.toByteArray();
    }

    private void send(byte[] bytes) throws IOException {
        if (clientGone.getAsBoolean()) {
            throw new ClientGoneException();
        }
        out.write(bytes);
        request.wrote(bytes.length);
    }

    private byte[] head(boolean keep) {
        StringBuilder head = new StringBuilder("HTTP/1.1 ").append(response.status());
        head.append(" Scripted\r\n");
        response.headers()
                .forEach((name, value) ->
                        head.append(name).append(": ").append(value).append("\r\n"));
        boolean ownLength = response.headers().keySet().stream().anyMatch("content-length"::equalsIgnoreCase);
        if (response.framing() == MockResponse.Framing.CHUNKED) {
            head.append("Transfer-Encoding: chunked\r\n");
        } else if (response.framing() == MockResponse.Framing.LENGTH && !ownLength) {
            head.append("Content-Length: ").append(bodyLength()).append("\r\n");
        }
        if (!keep) {
            head.append("Connection: close\r\n");
        }
        return head.append("\r\n").toString().getBytes(StandardCharsets.UTF_8);
    }

    private long bodyLength() {
        return response.steps().stream()
                .mapToLong(step -> step instanceof BodyStep.Write write ? write.bytes.length : 0)
                .sum();
    }
}

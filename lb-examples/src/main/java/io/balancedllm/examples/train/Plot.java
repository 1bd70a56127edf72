/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.List;

/**
 * What can happen in a story. {@code [a|b]} is one of both, {@code {slot}} a fact of this story, {@code a(n)} the article
 * that fits. Brackets nest.
 */
enum Plot {
    LOST_THING("""
            {Hero} had a(n) {colour} {toy}. [It was a gift from {his} {parent}.|{His} {parent} had made it for {him}.|{He} loved the {toy} very much.]
            One {day} in {season}, {hero} took the {toy} {to}. {Weather}. {He} [played and ran|jumped and laughed|sang and danced] for a long time.
            But when it was time to go home, the {toy} was gone. "Oh no! Where is my {colour} {toy}?" cried {hero}.
            {He} looked [up and down|here and there|everywhere], but {he} could not find it.
            Then a(n) {ftrait} {fkind} named {friend} came along. "Why are you [crying|so sad]?" asked {friend}.
            "I lost my {toy}," said {hero}. "[Do not worry|Do not cry]," said {friend}. "I will help you."
            They looked together. {Spot}, {friend} saw something {colour}. "Look, {hero}! Is that your {toy}?"
            "Yes! That is my {toy}!" said {hero}. {He} [hugged {friend}|jumped for joy|smiled at {friend}]. "Thank you, {friend}."
            [They played with the {colour} {toy} until the sun went down.|Then they walked home together.]
            """, "it is easier to find things with a friend", "a good friend helps when you are sad"),
    QUARREL("""
            {His} best friend was a(n) {ftrait} {fkind} named {friend}.
            One {day} in {season}, they found a(n) {colour} {toy} {at}. {Weather}. "I saw it first!" said {hero}. "No, I did!" said {friend}. "It is mine!"
            They pulled and pulled, and then the {toy} {mishap}. "Now look what you did!" shouted {hero}.
            {Friend} was angry, too. {Fhe} went home and did not say goodbye.
            That night, {hero} could not sleep. {He} [thought of {friend}|missed {friend}] and felt [sorry|very sad]. "A(n) {toy} is not as good as a friend," {he} thought.
            In the morning, {hero} went to see {friend}. "I am sorry, {friend}," said {hero}.
            "I am sorry, too," said {friend}. "Let us [share the {toy}|play together again]."
            So they {repair} the {colour} {toy}. First {hero} played with it, and then it was {friend}'s turn. [They laughed all day.|It was so much fun.]
            """, "it is good to share", "it is never too late to say sorry"),
    HELPING("""
            One {day} in {season}, {hero} was on the way {to}. {Weather}.
            There {he} met a(n) {fkind} named {friend}. {Friend} looked [tired|sad]. "What is wrong, {friend}?" asked {hero}.
            "I have to {chore}, but I am so [tired|weak]," said {friend}. "[I cannot do it alone.|It is too much for me.]"
            {Hero} wanted to play, but {he} wanted to help, too. "I will help you," said {hero}. "Two can do it faster than one."
            So {hero} and {friend} worked together. It was hard work, and {hero} got [tired|hungry|hot], but {he} did not stop.
            When they were done, {friend} smiled. "Thank you, {hero}. You have a kind heart."
            {Fhe} gave {him} a(n) {colour} {gift}. "[Oh, it is so pretty|What a lovely {gift}]!" said {hero}. "Thank you, {friend}!"
            {Hero} ran home and showed the {colour} {gift} to {his} {parent}. {His} {parent} was very proud of {him}.
            """, "helping others makes you happy", "a kind heart is the best gift"),
    ADVENTURE("""
            One {day} in {season}, {hero} found an old map [under the bed|in a bottle|in a box]. {Weather}. "[Look at this map|Come and see], {friend}!" {he} called.
            {Friend} was {his} friend, a(n) {ftrait} {fkind}. "It shows a treasure {at}!" said {friend}.
            They walked [over the hills|through the trees|along the path] until they came to a dark cave. "I am afraid," said {hero}.
            "I am afraid, too," said {friend}. "But we are together."
            Then they heard a noise. [Tap, tap, tap!|Boom, boom, boom!|Hoo, hoo, hoo!] "What was that?" asked {hero}. {Friend} held up {fhis} lamp. It was only a little bird!
            "[Are you looking for the treasure|Do you want the treasure]?" asked the bird. "It is behind that stone."
            There was a box, and in the box was a(n) {colour} {treasure}. "We found it!" shouted {hero}. "[We did it together|What a day]!" said {friend}.
            They took the {colour} {treasure} home and showed it to {hero}'s {parent}.
            """, "you can be brave when you have a friend", "being brave means to go on when you are afraid"),
    MISTAKE("""
            {His} {parent} had a(n) {colour} {fragile}. "Please do not touch the {fragile}, {hero}," said {his} {parent}.
            One {day} in {season}, {hero} was alone at home. {Weather}. "I will only touch it once," {he} thought.
            But then the {fragile} fell down and broke. "Oh no! What have I done?" cried {hero}. {He} hid the pieces [under the bed|behind the door|in a box].
            {He} went out to play with {friend}, a(n) {ftrait} {fkind}, but {he} could not laugh. "What is wrong, {hero}?" asked {friend}.
            "I broke the {colour} {fragile}, and I am afraid to tell," said {hero}. "[You should|Go home and] tell the truth," said {friend}.
            So {hero} went home. "I broke the {fragile}," {he} said. {His} {parent} was [quiet for a moment|sad at first].
            Then {phe} hugged {hero}. "Thank you for telling me the truth," said {his} {parent}.
            Together they [put the pieces back together|made a new {fragile}], and {hero} felt happy again.
            """, "it is always best to tell the truth", "telling the truth takes courage"),
    JOURNEY("""
            {Hero} had never seen {sight}. "One day I will see {sight}," {he} said every night.
            One {day} in {season}, {he} [packed a bag|took some bread and an apple] and started to walk. {Weather}. {His} {parent} waved goodbye. "[Come back soon|Take care], {hero}!"
            {He} walked [over a bridge|up a hill|through a forest] and [along the river|across the fields|past an old house]. {At}, {he} met a(n) {ftrait} {fkind} named {friend}.
            "Where are you going?" asked {friend}. "I am going to see {sight}," said {hero}. "Can I come with you?" asked {friend}. "Of course!" said {hero}.
            They walked on together. When {hero} was [tired|hungry], {friend} [sang a song|shared {fhis} food|told a funny story].
            At last they stood still. "{Sight}!" shouted {hero}. "It is [so big|so beautiful|even better than in my dreams]," said {friend}.
            They looked until the stars came out. Then {hero} and {friend} went home and told everyone about {sight}.
            """, "a long way is short with a friend", "dreams come true when you take the first step"),
    PRACTICE("""
            {Hero} wanted to {skill}, but {he} did not know how.
            One {day} in {season}, {he} tried it {at}. {Weather}. It went wrong, and {hero} [felt sad|had to stop]. "I will never {skill}!" {he} cried.
            A(n) {ftrait} {fkind} named {friend} saw it. "Do not give up, {hero}," said {friend}. "I could not {skill} at first."
            "Will you show me how?" asked {hero}. "Yes," said {friend}. "[Watch me|Let us start slowly]."
            So {hero} and {friend} met {at} every {day}. On the first day it was hard. On the second day it was [a little better|not so hard]. {Friend} always said, "[Try again|One more time], {hero}!"
            And one day, {hero} could do it! "Look, {friend}! I can {skill}!" {he} shouted. "[I knew you could|You did it]!" said {friend}.
            {Hero} ran to {his} {parent} and showed what {he} had learned. {His} {parent} was very proud.
            """, "you can do it if you do not give up", "you must try again and again to learn something new"),
    STORM("""
            One {day} in {season}, {hero} was at home. {Weather}. But then dark clouds came, and a big storm began.
            {Hero} heard [a knock at the door|a small voice outside]. "Who is there?" asked {hero}. "It is me, {friend}," said a voice. "[I am cold and wet|The wind took my house]. Can I come in?"
            {Hero} opened the door and saw a(n) {ftrait} {fkind}. "Come in, {friend}!" said {hero}.
            {He} gave {fhim} a(n) {colour} blanket and some {meal}. "Thank you, {hero}," said {friend}.
            All night the wind [howled|blew], but {hero} and {friend} were safe. They [told stories|sang songs|played games] until they fell asleep.
            In the morning, the storm was over. "I have no home now," said {friend}. "[Do not be sad|Do not cry]," said {hero}. "We will build you a new house."
            And so they did. {Friend}'s new house stood {at}, and the {colour} blanket lay on {fhis} new bed.
            """, "it is good to help someone in need", "there is always room for a friend"),
    SURPRISE("""
            One {day} in {season}, {hero} woke up and smiled. {Weather}. It was {his} birthday!
            {He} went to {friend}, a(n) {ftrait} {fkind}. "Do you know what day it is?" asked {hero}. "No," said {friend}. "[I have to {chore}|I must go {to}]."
            {Hero} was sad. "Everyone forgot my birthday," {he} thought. {He} [sat down under a tree|walked around all alone] {at}.
            When it got dark, {hero} went home. {He} opened the door, and then the lights went on. "Surprise!" shouted [everyone|all {his} friends]. "Happy birthday, {hero}!"
            There was a big {food} on the table. "I did not forget," said {friend}. "I made the {food} for you." {Hero} gave {friend} a big hug.
            "And this is from me," said {his} {parent} and gave {him} a(n) {colour} {gift}. "Thank you!" said {hero}.
            They ate the {food} and [danced|sang|played] until late at night.
            """, "true friends never forget you", "good things come when you do not expect them"),
    SEED("""
            One {day} in {season}, {his} {parent} gave {hero} a tiny seed. {Weather}. "Put it in the ground and take care of it," said {his} {parent}.
            {Hero} put the seed in the ground {bed}. {He} gave it water every {day}. But [after a week|after many days], there was still nothing to see.
            "It will never grow!" said {hero} to {friend}, a(n) {ftrait} {fkind}. "Be patient, {hero}," said {friend}. "Good things take time."
            So {hero} waited. {He} [sang to the seed|talked to the seed], and {friend} [pulled out the weeds|brought fresh water].
            One day, {hero} saw something small and green. "{Friend}! Come and look!" {he} called. "It is growing!"
            It grew and grew, and then it was a big {colour} {plant}. [Everyone {home} came to see it.|It was the most beautiful {plant} of all.]
            {He} gave a new seed to {friend}. "Now you can have a(n) {plant}, too," said {hero}.
            """, "good things take time", "it is good to be patient"),
    NEW_NEIGHBOUR("""
            One {day} in {season}, somebody new came to live {home}. {Weather}. It was a(n) {ftrait} {fkind} named {friend}, and {fhe} was too shy to say hello.
            {Hero} saw {friend} sit all alone. "{Friend} looks lonely," {he} said to {his} {parent}. "What can I do?" "[Bring something nice|Just be friendly]," said {his} {parent}.
            So {hero} baked a(n) {food} and knocked at {friend}'s door. "Hello, I am {hero}," {he} said. "I made a(n) {food} for you."
            {Friend} looked at the {food} and smiled. "It is [so good|the best {food} in the world]," said {friend} in a quiet voice.
            Then {hero} showed {friend} {his} {colour} {toy}. "You can play with my {toy}," said {hero}. "[I like it|It is so pretty]!" said {friend}. They [ran|jumped|laughed] and played {at} until evening.
            "Thank you, {hero}," said {friend}. "[I like you very much|Now you have a friend]," said {hero}.
            """, "a kind word can start a friendship", "saying hello is the first step to a new friend");

    private static final String BETWEEN = ";";

    private final String text;
    private final String morals;

    Plot(String text, String... morals) {
        this.text = text.strip().replace('\n', ' ');
        this.morals = String.join(BETWEEN, morals);
    }

    String text() {
        return text;
    }

    /** {@return what can be learned from it, as the rest of a sentence} */
    List<String> morals() {
        return List.of(morals.split(BETWEEN));
    }
}

//! Where Leveret means to answer differently from RabbitMQ. Each has its own transcript in `expected_leveret/`.

/// One scenario whose transcript differs on purpose.
#[derive(Debug)]
pub(crate) struct Deviation {
    /// `area/name` of the scenario.
    pub(crate) scenario: &'static str,
    pub(crate) reason: &'static str,
}

/// The reason of those that vanish where the operator allows anonymous logins.
pub(crate) const NO_ANONYMOUS: &str = "RabbitMQ lets anybody in as guest; Leveret does not unless it is told to";

const CLOSED_EARLY: &str =
    "RabbitMQ lets nobody close what is not open; to the specification either side may at any time";

const NEW_IN_ITS_PLACE: &str = "RabbitMQ marks some rejected messages as redelivered where they are dead-lettered to, and others not; to Leveret they \
     are new there";

pub(crate) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        scenario: "arguments/a_classic_queue_has_no_delivery_limit_and_no_consumer_timeout",
        reason: "RabbitMQ has them on quorum queues alone; Leveret on classic queues, too",
    },
    Deviation {
        scenario: "arguments/a_stream_is_accepted",
        reason: "not implemented yet: Leveret refuses the argument instead of ignoring it",
    },
    Deviation {
        scenario: "channel/a_global_prefetch_is_shared_by_the_consumers_of_the_channel",
        reason: "RabbitMQ 4.3 takes global=true for global=false; Leveret honours it as all versions before",
    },
    Deviation {
        scenario: "consume/cancel_ok_from_the_client_is_accepted",
        reason: "RabbitMQ's channel crashes; Leveret ignores the method, which the specification allows",
    },
    Deviation { scenario: "dead_letters/a_dead_letter_routing_key_replaces_all_keys", reason: NEW_IN_ITS_PLACE },
    Deviation { scenario: "dead_letters/a_fanout_of_the_dead_reaches_all_queues", reason: NEW_IN_ITS_PLACE },
    Deviation { scenario: "dead_letters/a_history_that_a_client_made_up_is_replaced", reason: NEW_IN_ITS_PLACE },
    Deviation {
        scenario: "dead_letters/a_message_keeps_its_keys_without_a_dead_letter_routing_key",
        reason: NEW_IN_ITS_PLACE,
    },
    Deviation { scenario: "dead_letters/a_rejected_message_tells_its_history", reason: NEW_IN_ITS_PLACE },
    Deviation { scenario: "dead_letters/a_second_death_for_the_same_reason_is_counted", reason: NEW_IN_ITS_PLACE },
    Deviation {
        scenario: "dead_letters/an_alternate_exchange_takes_what_the_other_does_not_route",
        reason: NEW_IN_ITS_PLACE,
    },
    Deviation { scenario: "dead_letters/an_internal_exchange_takes_dead_letters", reason: NEW_IN_ITS_PLACE },
    Deviation { scenario: "dead_letters/bcc_never_shows", reason: NEW_IN_ITS_PLACE },
    Deviation { scenario: "dead_letters/properties_are_kept", reason: NEW_IN_ITS_PLACE },
    Deviation { scenario: "dead_letters/the_default_exchange_takes_dead_letters", reason: NEW_IN_ITS_PLACE },
    Deviation {
        scenario: "consumer_timeout/a_cancelled_consumer_times_out_as_well",
        reason: "RabbitMQ closes the channel, whose consumer is cancelled already; to Leveret nothing is wrong with it",
    },
    Deviation {
        scenario: "consumer_timeout/a_client_that_is_not_told_of_cancels_loses_its_channel",
        reason: "RabbitMQ says -1; Leveret how long it was",
    },
    Deviation {
        scenario: "consumer_timeout/a_get_that_is_unacked_for_too_long_closes_the_channel",
        reason: "RabbitMQ says -1; Leveret how long it was",
    },
    Deviation {
        scenario: "consumer_timeout/a_quorum_queue_takes_back_what_is_unacked_for_too_long_and_cancels_the_consumer",
        reason: "RabbitMQ keeps the consumer, of which it has told the client that it is cancelled; with Leveret it is",
    },
    Deviation {
        scenario: "exchange_types/a_history_goes_through_a_bound_exchange",
        reason: "RabbitMQ gives a bound exchange the newest message first; Leveret keeps the order as for a bound queue",
    },
    Deviation {
        scenario: "exchange_types/what_a_bound_exchange_cannot_route_of_a_history_is_dropped",
        reason: "RabbitMQ ends the connection, with the binding made; to Leveret it is as unroutable as any message",
    },
    Deviation {
        scenario: "exchange_types/what_to_hash_must_be_a_string",
        reason: "RabbitMQ's channel crashes; Leveret says which argument is wrong, as for an alternate exchange",
    },
    Deviation {
        scenario: "frames/a_malformed_table_closes_the_connection",
        reason: "RabbitMQ's reader crashes and drops the stream; Leveret says what is wrong",
    },
    Deviation {
        scenario: "frames/a_table_value_with_an_unknown_tag_closes_the_connection",
        reason: "RabbitMQ's reader crashes and drops the stream; Leveret says what is wrong",
    },
    Deviation {
        scenario: "frames/an_unknown_class_closes_the_connection",
        reason: "RabbitMQ's reader crashes and drops the stream; Leveret says what is wrong",
    },
    Deviation {
        scenario: "frames/an_unknown_method_closes_the_connection",
        reason: "RabbitMQ's reader crashes and drops the stream; Leveret says what is wrong",
    },
    Deviation {
        scenario: "frames/properties_which_end_early_close_the_connection",
        reason: "RabbitMQ's channel crashes over malformed properties; Leveret calls them a syntax error",
    },
    Deviation {
        scenario: "frames/properties_with_trailing_octets_close_the_connection",
        reason: "RabbitMQ's channel crashes over malformed properties; Leveret calls them a syntax error",
    },
    Deviation {
        scenario: "handshake/a_channel_max_above_the_offer_is_refused",
        reason: "RabbitMQ pauses and resets the stream; Leveret says which limit was violated",
    },
    Deviation {
        scenario: "handshake/a_channel_max_of_zero_is_refused",
        reason: "RabbitMQ pauses and resets the stream; Leveret says which limit was violated",
    },
    Deviation {
        scenario: "handshake/a_frame_max_above_the_offer_is_refused",
        reason: "RabbitMQ pauses and resets the stream; Leveret says which limit was violated",
    },
    Deviation {
        scenario: "handshake/a_frame_max_below_the_minimum_is_refused",
        reason: "RabbitMQ pauses and resets the stream; Leveret says which limit was violated",
    },
    Deviation {
        scenario: "handshake/a_frame_max_of_4096_is_below_the_minimum",
        reason: "RabbitMQ 4.1 raised the minimum to 8192; Leveret keeps that of the specification, for clients made for older brokers",
    },
    Deviation {
        scenario: "handshake/a_frame_max_of_zero_is_refused",
        reason: "RabbitMQ pauses and resets the stream; Leveret says which limit was violated",
    },
    Deviation {
        scenario: "handshake/a_frame_above_8192_octets_before_tuning_ends_the_stream",
        reason: "RabbitMQ takes little before tuning, which breaks logins by long tokens; Leveret takes what it offers",
    },
    Deviation { scenario: "handshake/a_header_of_version_0_9_is_served", reason: NO_ANONYMOUS },
    Deviation {
        scenario: "handshake/a_header_of_version_0_8_is_refused",
        reason: "RabbitMQ proposes AMQP 1.0; Leveret proposes the version that it speaks",
    },
    Deviation {
        scenario: "handshake/a_tls_hello_is_refused",
        reason: "RabbitMQ proposes AMQP 1.0; Leveret proposes the version that it speaks",
    },
    Deviation { scenario: "handshake/an_anonymous_login_opens_the_vhost", reason: NO_ANONYMOUS },
    Deviation {
        scenario: "handshake/an_http_request_is_refused",
        reason: "RabbitMQ proposes AMQP 1.0; Leveret proposes the version that it speaks",
    },
    Deviation { scenario: "handshake/the_server_introduces_itself", reason: NO_ANONYMOUS },
    Deviation { scenario: "opening/a_close_instead_of_open_closes_the_connection", reason: CLOSED_EARLY },
    Deviation { scenario: "opening/a_close_instead_of_tune_ok_ends_the_stream", reason: CLOSED_EARLY },
    Deviation {
        scenario: "precedence/a_prefix_of_generated_names_is_limited",
        reason: "RabbitMQ 4.3.6 does not know x-name-prefix yet, which is in its sources; Leveret honours it",
    },
    Deviation {
        scenario: "precedence/texts_about_long_names_of_several_octets_a_letter_are_cut",
        reason: "RabbitMQ's channel crashes, since it counts letters; Leveret cuts before a letter that does not fit",
    },
    Deviation {
        scenario: "publish/a_header_which_is_not_a_number_is_relayed",
        reason: "RabbitMQ's channel crashes over a NaN; Leveret relays the octets of the publisher",
    },
    Deviation {
        scenario: "publish/a_leading_plus_in_an_expiration_is_relayed",
        reason: "RabbitMQ decodes and encodes properties again; Leveret relays the octets of the publisher",
    },
    Deviation {
        scenario: "publish/a_topic_binding_with_three_hashes_is_refused",
        reason: "RabbitMQ 4.3 limits the hashes because of its matcher; that of Leveret needs no limit",
    },
    Deviation {
        scenario: "publish/an_expiration_beyond_all_bounds_is_refused",
        reason: "RabbitMQ breaks its text into lines where it gets long; Leveret need not",
    },
    Deviation {
        scenario: "publish/duplicate_headers_are_relayed",
        reason: "RabbitMQ decodes and encodes properties again; Leveret relays the octets of the publisher",
    },
    Deviation {
        scenario: "publish/the_upper_l_tag_is_relayed",
        reason: "RabbitMQ decodes and encodes properties again; Leveret relays the octets of the publisher",
    },
    Deviation {
        scenario: "reply_to/a_malformed_token_is_unroutable",
        reason: "RabbitMQ's channel crashes; to Leveret such a queue does not exist",
    },
];

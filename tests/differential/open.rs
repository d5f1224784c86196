//! Scenarios in which Leveret does not answer as expected yet. Every other scenario must; one that comes to answer as
//! expected leaves this list.

/// `area/name` of each.
pub(crate) const OPEN: &[&str] = &[
    "arguments/a_quorum_queue_is_accepted",
    "arguments/a_quorum_queue_must_be_durable_and_shared",
    "arguments/a_quorum_queue_or_stream_needs_a_name",
    "arguments/a_stream_is_accepted",
    "arguments/a_stream_must_be_durable_and_shared",
    "arguments/an_empty_queue_type_is_accepted",
    "arguments/an_invalid_queue_version_is_refused",
    "arguments/equal_integers_of_other_tags_are_equivalent",
    "arguments/texts_name_the_type_of_each_value",
    "channel/a_server_method_from_a_client_closes_the_connection",
    "channel/an_unexpected_flow_ok_closes_the_connection",
    "channel/close_ok_on_a_channel_which_is_not_open_closes_the_connection",
    "channel/opening_a_channel_before_close_ok_closes_the_connection",
    "consume/an_argument_of_streams_is_refused",
    "consume/consuming_from_a_missing_queue_is_not_found",
    "exchange/an_unknown_exchange_type_is_refused",
    "handshake/a_frame_above_8192_octets_before_tuning_ends_the_stream",
    "handshake/a_header_of_version_0_9_is_served",
    "handshake/an_anonymous_login_opens_the_vhost",
    "handshake/the_server_introduces_itself",
    "publish/an_invalid_x_match_is_refused",
    "reply_to/operations_on_a_live_token_are_refused",
    "reply_to/other_operations_on_reply_names_are_refused",
];
